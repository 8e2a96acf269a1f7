"""What the tests of the whole engine share: Postgres, the engine, a reference client."""
