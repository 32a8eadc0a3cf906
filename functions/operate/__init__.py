"""What the console and the command line share: dead letters, their replay, its record, and advice."""
