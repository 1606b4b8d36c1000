"""What the environment and the images are made of: a bill of materials, licenses, known vulnerabilities."""
