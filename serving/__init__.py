"""What runs in production: model server, release, gateway, client."""
