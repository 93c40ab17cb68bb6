"""Text → Trace. The only place with torch and transformers; engine, recorded and store work without them."""

import os

# The threads of a matrix product wait for one another in a loop, by default for as long as many products take. Where
# other threads want the same cores that multiplies the time: 30 sessions with a text each took a third of it with less
# patience. The library reads this when torch is imported; what whoever starts the program says stands.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
