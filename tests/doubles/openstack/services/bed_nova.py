"""nova in one process: its API, conductor, scheduler and the one machine that computes.

They speak over the kind of message bus that lives inside a process, so there is no broker.
`application` is what serve.py serves.
"""

import os
import shlex

# isort: off
# First, because it reads the configuration and decides how threads are made.
import nova.wsgi.osapi_compute as api

# isort: on
import nova.conf
import nova.virt
import os_brick
import os_vif
from nova import objects, service, utils
from nova.compute import rpcapi as compute
from nova.conductor import rpcapi as conductor
from nova.scheduler import rpcapi as scheduler
from oslo_privsep import priv_context
from oslo_service import opts

# nova takes drivers from its own package alone.
nova.virt.__path__.append(os.path.dirname(os.path.abspath(__file__)))
opts.register_service_opts(nova.conf.CONF)
objects.register_all()
priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
os_brick.setup(nova.conf.CONF)
os_vif.initialize()
RUNNING = []
for options in (
    {"binary": "nova-conductor", "topic": conductor.RPC_TOPIC},
    {"binary": "nova-scheduler", "topic": scheduler.RPC_TOPIC},
    {
        "binary": "nova-compute",
        "topic": compute.RPC_TOPIC,
        "topic_alt": compute.RPC_TOPIC_ALT,
    },
):
    made = service.Service.create(**options)
    made.start()
    RUNNING.append(made)
application = api.application
