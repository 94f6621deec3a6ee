"""A driver of neutron that does what agents would report, as there are none.

Every port can be bound on every machine, and ports of routers and floating addresses are in use
as soon as they are made. Of what changes for containers their keeper is told, as agents would
be: it asks neutron and follows.
"""

import bed_machines
from neutron.objects import ports
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.db import api as databases
from neutron_lib.plugins import constants as plugins
from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api


class BedMechanism(api.MechanismDriver):
    """Says yes to everything."""

    def initialize(self):
        for event in (events.AFTER_CREATE, events.AFTER_UPDATE):
            registry.subscribe(self._address, resources.FLOATING_IP, event)
        for event in (events.AFTER_CREATE, events.AFTER_UPDATE, events.AFTER_DELETE):
            for what in (resources.FLOATING_IP, resources.PORT, resources.SECURITY_GROUP_RULE):
                registry.subscribe(self._changed, what, event)

    @property
    def connectivity(self):
        return portbindings.CONNECTIVITY_L2

    def bind_port(self, context):
        for segment in context.segments_to_bind[:1]:
            context.set_binding(
                segment[api.ID],
                portbindings.VIF_TYPE_OVS,  # nova knows few others
                {portbindings.CAP_PORT_FILTER: True},
                status=constants.PORT_STATUS_ACTIVE,
            )

    def create_port_postcommit(self, context):
        self._in_use(context)

    def update_port_postcommit(self, context):
        self._in_use(context)

    def _in_use(self, context):
        port = context.current
        ours = port["device_owner"].startswith("network:router")
        if not ours or port["status"] == constants.PORT_STATUS_ACTIVE:
            return
        admin = context._plugin_context.elevated()
        with databases.CONTEXT_WRITER.using(admin):
            found = ports.Port.get_object(admin, id=port["id"])
            if found:
                found.status = constants.PORT_STATUS_ACTIVE
                found.update()

    def _address(self, resource, event, trigger, payload=None):
        state = payload.latest_state
        bound = state.get("fixed_port_id") or state.get("port_id")
        directory.get_plugin(plugins.L3).update_floatingip_status(
            payload.context.elevated(),
            payload.resource_id or state["id"],
            constants.FLOATINGIP_STATUS_ACTIVE if bound else constants.FLOATINGIP_STATUS_DOWN,
        )

    def _changed(self, resource, event, trigger, payload=None):
        bed_machines.changed()
