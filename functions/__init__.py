"""What runs in AWS Lambda. A bundle's root holds this package, so imports are the same here and there."""
