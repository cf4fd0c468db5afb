"""`hilir new`: a package, a configuration and a first bound from a file of rows."""
