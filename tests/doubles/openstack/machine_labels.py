"""How containers and networks of the test bed are known: by these labels alone."""

# The folder of the bed that they belong to.
LABEL = "tandem.test-openstack"
# The server that a container is.
SERVER = "tandem.test-openstack-server"
