"""How containers and networks of the double are known: by these labels, and by nothing else."""

# The process id of the cloud that they belong to.
LABEL = "tandem.test-aws"
# The instance that a container is.
INSTANCE = "tandem.test-aws-instance"
