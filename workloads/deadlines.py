"""How long each part of a run may take, for the driver and for whoever waits for it."""

CONNECT_SECONDS = 120.0
DATA_SECONDS = 900.0
WARM_UP_SECONDS = 300.0
LEAVE_SECONDS = 30.0
GRACE_SECONDS = 120.0
# Of a profile: before the work, and for each of its two parts after it.
PROFILE_BEGIN_SECONDS = 30.0
PROFILE_SECONDS = 90.0


def driver_seconds(run_seconds: float) -> float:
    """Return how long a driver may be at work whose work itself may take `run_seconds`.

    Getting ready is not part of the work and has its own deadlines; all of them may be used
    up. The rest is grace for what lies between the parts: starting Python, reading the data's
    outline, the way of the last line to the operator.
    """
    ready = CONNECT_SECONDS + DATA_SECONDS + WARM_UP_SECONDS
    profile = PROFILE_BEGIN_SECONDS + 2 * PROFILE_SECONDS
    return ready + run_seconds + profile + LEAVE_SECONDS + GRACE_SECONDS
