"""The AWS CDK stack and the settings it is built from."""
