"""The verbs that a user types, one file for each noun; the only code that sees every stage."""

from invoke.collection import Collection

from tasks import cluster, cost, data, demo, doctor, image, local, report, setup, sweep

namespace = Collection(
    *(
        noun.collection
        for noun in (cluster, cost, data, demo, image, local, report, setup, sweep)
    )
)
namespace.add_task(doctor.doctor)
