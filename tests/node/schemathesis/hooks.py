"""What schemathesis does with a request before it is sent."""

import itertools
import re

import schemathesis

KEY = "Idempotency-Key"
VALID = re.compile(r"[!-~]{1,255}")
numbers = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Gives each request a key of its own. Under a key that was used before, the first answer is given again, also of what is
    gone by then, or another request is refused: both are right, and no schema says so. A key that is none stays as it is."""
    key = (case.headers or {}).get(KEY)
    if isinstance(key, str) and VALID.fullmatch(key):
        case.headers[KEY] = f"schemathesis-{next(numbers)}"
