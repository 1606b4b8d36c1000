"""What the tests are made of: small specs (`specs`)."""
