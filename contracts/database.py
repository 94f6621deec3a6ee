"""Where a node finds the cluster's database: what bring-up leaves there, and work reads.

Paths are relative to Tandem's folder on a node. The settings hold the password, so they have
mode 0600 and travel by SFTP alone.
"""

SETTINGS = "credentials/database.json"
AUTHORITY = "credentials/database_ca.pem"
CERTIFICATE = "credentials/database.pem"
KEY = "credentials/database.key"
NAME = USER = "tandem"
