"""Text → Trace. The only place with torch and transformers; engine, recorded and store work without them."""
