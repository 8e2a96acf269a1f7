"""pgbench as the writer that everybody knows."""
import subprocess

from pylib import process
from pylib.postgres import USER, tool

TABLES = ("pgbench_accounts", "pgbench_tellers", "pgbench_branches")

# Every change of a row that alters it, with its transaction's 64-bit id.
AUDIT = """
    CREATE UNLOGGED TABLE audit (tab text, xid bigint);
    CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO audit VALUES (TG_TABLE_NAME, pg_current_xact_id()::text::bigint);
        RETURN NULL;
    END $$;
"""


class Pgbench:
    def __init__(self, database):
        self.database = database
        self.running = None

    def _args(self, *args):
        cluster = self.database.cluster
        return [tool("pgbench", cluster.bin_dir), "-h", "127.0.0.1", "-p", str(cluster.port),
                "-U", USER, *args, self.database.name]

    def init(self, scale=2, audit=True):
        subprocess.run(self._args("-i", "-q", "-s", str(scale)), check=True, capture_output=True)
        if audit:
            self.database.run(AUDIT)
            for table in TABLES:
                self.database.run(
                    f"CREATE TRIGGER audit AFTER UPDATE ON {table} FOR EACH ROW"
                    " WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION audit()")
        return self

    def start(self, seconds, clients=4, rate=None):
        extra = ["-R", str(rate)] if rate else []
        self.running = subprocess.Popen(
            self._args("-n", "-c", str(clients), "-j", "2", "-T", str(seconds), *extra),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            preexec_fn=process.die_with_parent())
        return self

    def busy(self):
        return self.running is not None and self.running.poll() is None

    def wait(self, seconds=180):
        """Waits for its end; returns what it printed."""
        out, _ = self.running.communicate(timeout=seconds)
        assert self.running.returncode == 0, out
        self.running = None
        return out

    def stop(self):
        if self.busy():
            self.running.terminate()
            self.running.communicate()
        self.running = None

    def changes(self, table):
        """[xid] of every row change so far."""
        return [row[0] for row in
                self.database.run("SELECT xid FROM audit WHERE tab = %s", (table,))]
