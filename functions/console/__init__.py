"""The dashboard's widget: recent deliveries, dead letters by reason, and a button that replays them."""
