"""The configuration of every service of the test bed's cloud.

No message broker: nova is one process, and neutron needs nobody, because no agents run. What is
said here beside names and addresses has its reason beside it.
"""

from collections.abc import Mapping
from pathlib import Path

import yaml

from tests.doubles.openstack.places import HOST, REGION, Bed

Sections = Mapping[str, Mapping[str, object]]
DATABASES = (
    "keystone",
    "glance",
    "placement",
    "nova_api",
    "nova_cell0",
    "nova_cell1",
    "neutron",
)
SWIFT_PARTS = ("account", "container", "object")


def write(bed: Bed) -> None:
    """Write all files, and the folders that services expect to find."""
    for name in ("log", "pids", "images", "staging", "tasks", "nova", "lock", "swift/d1"):
        (bed.run / name).mkdir(parents=True, exist_ok=True)
    (bed.root / "clouds.yaml").write_text(yaml.safe_dump(bed.clouds(), sort_keys=False))
    files: dict[str, Sections] = {
        "keystone/keystone.conf": _keystone(bed),
        "glance/glance-api.conf": _glance(bed),
        "placement/placement.conf": _placement(bed),
        "nova/nova.conf": _nova(bed),
        "neutron/neutron.conf": _neutron(bed),
        "neutron/ml2_conf.ini": _NEUTRON_ML2,
        "swift/swift.conf": _SWIFT_HASH,
        "swift/proxy.conf": _swift_proxy(bed),
    }
    for part in SWIFT_PARTS:
        files[f"swift/{part}.conf"] = _swift_part(bed, part)
    for name, sections in files.items():
        _write(bed.etc / name, sections)
    for name in ("glance/glance-api-paste.ini", "nova/api-paste.ini", "neutron/api-paste.ini"):
        (bed.etc / name).write_text((bed.environment / "etc" / name).read_text())


def variables(bed: Bed) -> dict[str, str]:
    """Return where each service finds its files."""
    found = {
        f"OS_{name.upper()}_CONFIG_DIR": str(bed.etc / name)
        for name in ("keystone", "glance", "placement", "nova", "neutron")
    }
    found["OS_NOVA_CONFIG_FILES"] = "api-paste.ini;nova.conf"
    found["OS_NEUTRON_CONFIG_FILES"] = "neutron.conf;ml2_conf.ini"
    found["BED_MACHINES"] = str(bed.socket)
    return found


def database(bed: Bed, name: str) -> str:
    """Return the address of a database, as the services have it."""
    return f"mysql+pymysql://bed:bed@{HOST}:{bed.port('database')}/{name}?charset=utf8"


def _write(path: Path, sections: Sections) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, values in sections.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {value}" for key, value in values.items()]
    path.write_text("\n".join([*lines, ""]))


def _login(bed: Bed, user: str) -> dict[str, object]:
    return {
        "auth_url": bed.url("identity", "/v3"),
        "auth_type": "password",
        "username": user,
        "password": bed.password,
        "project_name": "service",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "region_name": REGION,
    }


def _tokens(bed: Bed, user: str, service: str) -> dict[str, object]:
    return {
        **_login(bed, user),
        "www_authenticate_uri": bed.url("identity", "/v3"),
        "service_token_roles_required": "true",
        # By this a service knows which access rules of an application credential are its own.
        "service_type": service,
    }


def _base(bed: Bed, log: str) -> dict[str, object]:
    return {"log_file": bed.run / "log" / f"{log}.log", "transport_url": "fake://"}


def _keystone(bed: Bed) -> Sections:
    keys = bed.run / "keys"
    return {
        "DEFAULT": _base(bed, "keystone"),
        "database": {"connection": database(bed, "keystone")},
        # The last one for S3, whose keys are credentials of that kind.
        "auth": {"methods": "password,token,application_credential,ec2credential"},
        "token": {"provider": "fernet", "expiration": 86400},
        "fernet_tokens": {"key_repository": keys / "fernet"},
        "fernet_receipts": {"key_repository": keys / "fernet"},
        "credential": {"key_repository": keys / "credential"},
        # The fewest that it takes; nobody attacks these passwords.
        "identity": {"password_hash_rounds": 4},
        "cache": {"enabled": "true", "backend": "oslo_cache.dict"},
    }


def _glance(bed: Bed) -> Sections:
    return {
        "DEFAULT": {
            **_base(bed, "glance"),
            "enabled_backends": "files:file",
            "worker_self_reference_url": bed.url("image"),
        },
        "database": {"connection": database(bed, "glance")},
        "glance_store": {"default_backend": "files"},
        "files": {"filesystem_store_datadir": bed.run / "images"},
        "os_glance_staging_store": {"filesystem_store_datadir": bed.run / "staging"},
        "os_glance_tasks_store": {"filesystem_store_datadir": bed.run / "tasks"},
        "paste_deploy": {
            "flavor": "keystone",
            "config_file": bed.etc / "glance/glance-api-paste.ini",
        },
        "keystone_authtoken": _tokens(bed, "glance", "image"),
        "oslo_concurrency": {"lock_path": bed.run / "lock"},
    }


def _placement(bed: Bed) -> Sections:
    return {
        "DEFAULT": _base(bed, "placement"),
        "placement_database": {"connection": database(bed, "placement")},
        "api": {"auth_strategy": "keystone"},
        "keystone_authtoken": _tokens(bed, "placement", "placement"),
    }


def _nova(bed: Bed) -> Sections:
    return {
        "DEFAULT": {
            **_base(bed, "nova"),
            "host": "bed",
            "my_ip": HOST,
            "state_path": bed.run / "nova",
            "instances_path": bed.run / "nova/instances",
            "compute_driver": "bed_hypervisor.BedHypervisor",
            "report_interval": 10,
            "service_down_time": 60,
            # A container that ended from within is told as switched off so soon.
            "sync_power_state_interval": 3,
        },
        "api_database": {"connection": database(bed, "nova_api")},
        "database": {"connection": database(bed, "nova_cell1")},
        # The one machine with computing is there before the scheduler looks.
        "scheduler": {"workers": 1, "discover_hosts_in_cells_interval": 5},
        "conductor": {"workers": 1},
        "vnc": {"enabled": "false"},
        "oslo_messaging_notifications": {"driver": "noop"},
        "glance": {"endpoint_override": bed.url("image")},
        "placement": _login(bed, "placement"),
        "neutron": _login(bed, "neutron"),
        "service_user": {**_login(bed, "nova"), "send_service_user_token": "true"},
        "keystone_authtoken": _tokens(bed, "nova", "compute"),
        "oslo_concurrency": {"lock_path": bed.run / "lock"},
    }


def _neutron(bed: Bed) -> Sections:
    return {
        "DEFAULT": {
            **_base(bed, "neutron"),
            "host": "bed",
            "state_path": bed.run / "nova",
            "core_plugin": "ml2",
            "service_plugins": "router",
            "api_paste_config": bed.etc / "neutron/api-paste.ini",
            "auth_strategy": "keystone",
            "rpc_workers": 0,
            "rpc_state_report_workers": 0,
            "dhcp_agent_notification": "false",
            "notify_nova_on_port_status_changes": "true",
            "notify_nova_on_port_data_changes": "true",
            "send_events_interval": 1,
        },
        "database": {"connection": database(bed, "neutron")},
        "oslo_messaging_notifications": {"driver": "noop"},
        "placement": _login(bed, "placement"),
        "nova": {**_login(bed, "nova"), "endpoint_type": "public"},
        "keystone_authtoken": _tokens(bed, "neutron", "network"),
        "oslo_concurrency": {"lock_path": bed.run / "lock"},
    }


_NEUTRON_ML2: Sections = {
    "ml2": {
        "type_drivers": "flat,vxlan",
        "tenant_network_types": "vxlan",
        "mechanism_drivers": "bed",
        "extension_drivers": "port_security",
    },
    "ml2_type_flat": {"flat_networks": "*"},
    "ml2_type_vxlan": {"vni_ranges": "1:100000"},
}
_SWIFT_HASH: Sections = {
    "swift-hash": {"swift_hash_path_prefix": "bed", "swift_hash_path_suffix": "bed"},
    "storage-policy:0": {"name": "p0", "default": "yes"},
}
_SWIFT_FILTERS = (
    *("catch_errors", "gatekeeper", "healthcheck", "bulk", "copy", "slo", "dlo", "symlink"),
    *("versioned_writes", "s3api", "s3token", "keystoneauth"),
)

_SWIFT_PIPELINE = (
    "catch_errors gatekeeper healthcheck bulk authtoken s3api s3token keystoneauth copy slo "
    "dlo versioned_writes symlink proxy-server"
)


def _swift_base(bed: Bed, service: str) -> dict[str, object]:
    return {
        "bind_ip": HOST,
        "bind_port": bed.port(service),
        "workers": 0,
        "user": "root",
        "swift_dir": bed.etc / "swift",
        "log_level": "WARNING",
        "devices": bed.run / "swift",
        "mount_check": "false",
        "disable_fallocate": "true",
    }


def _swift_part(bed: Bed, part: str) -> Sections:
    return {
        "DEFAULT": _swift_base(bed, part),
        "pipeline:main": {"pipeline": f"{part}-server"},
        f"app:{part}-server": {"use": f"egg:swift#{part}"},
    }


def _swift_proxy(bed: Bed) -> Sections:
    filters: dict[str, dict[str, object]] = {
        f"filter:{name}": {"use": f"egg:swift#{name}"} for name in _SWIFT_FILTERS
    }
    filters["filter:s3api"] |= {"location": REGION, "auth_pipeline_check": "false"}
    filters["filter:s3token"] |= {
        **_login(bed, "swift"),
        "auth_uri": bed.url("identity", "/v3"),
        "reseller_prefix": "AUTH_",
        "delay_auth_decision": "true",
    }
    filters["filter:keystoneauth"] |= {"operator_roles": "admin, member"}
    filters["filter:versioned_writes"] |= {"allow_object_versioning": "true"}
    return {
        "DEFAULT": _swift_base(bed, "object-store"),
        "pipeline:main": {"pipeline": _SWIFT_PIPELINE},
        "app:proxy-server": {"use": "egg:swift#proxy", "account_autocreate": "true"},
        "filter:authtoken": {
            "paste.filter_factory": "keystonemiddleware.auth_token:filter_factory",
            **_tokens(bed, "swift", "object-store"),
            "delay_auth_decision": "true",
            "include_service_catalog": "false",
        },
        **filters,
    }
