"""The server, on cores of its own, and what it tells of itself."""

import contextlib
import os
import pathlib
import re
import subprocess
import tempfile

from fakes.postgres import ROLE, Cluster, Database, as_server, children, programs, psql

SERVER = """
listen_addresses = '127.0.0.1'
shared_buffers = 512MB
max_wal_size = 2GB
# In the data directory, which is removed whatever happened to the server.
dynamic_shared_memory_type = mmap
"""
BOTH_TABLES = "(SELECT relid FROM pg_partition_tree('records') WHERE isleaf UNION ALL SELECT relid FROM pg_partition_tree('attempts') WHERE isleaf) t"


class Server(Cluster):
    """With a data directory as a user would make it, on cores of its own."""

    def __init__(self, cores: list, settings: str):
        self.cores, self.more_settings = cores, settings
        super().__init__()

    def start(self):
        others = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self.cores)
        try:
            super().start()
        finally:
            os.sched_setaffinity(0, others)

    def _make(self):
        subprocess.run(as_server(programs() / "initdb", "-D", self._data, "-U", "postgres", "--auth=trust", "--no-sync", "--no-locale",
                                 "-E", "UTF8", "--no-instructions"), cwd="/", check=True, capture_output=True, timeout=60)
        with open(self._data / "postgresql.conf", "a") as file:
            file.write(SERVER + self.more_settings)

    def settings(self) -> str:
        """As the server has them."""
        names = ("fsync", "synchronous_commit", "full_page_writes", "wal_level", "shared_buffers", "max_wal_size", "autovacuum")
        values = self.sql("SELECT " + ", ".join(f"current_setting('{name}')" for name in names)).split("|")
        return ", ".join(map(" ".join, zip(names, values)))


def run_command(database: Database, options, *arguments: str) -> str:
    """What `openai-api-route ARGUMENTS` prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "OPENAI_"))}
    done = subprocess.run([options.binary, *arguments, "--database", database.url], env=environment, cwd=database.cluster.directory,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr}")
    return done.stdout


def database_with_schema(cluster: Server, options) -> Database:
    """As the program makes it."""
    database = cluster.database()
    run_command(database, options, "key", "add", "anybody")
    return database


def long_sql(database: Database, statement: str, role=ROLE) -> str:
    """For what takes longer than a test would wait."""
    done = subprocess.run(**psql(database.cluster.port, role, database.name), input=statement, timeout=1800)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout.rstrip("\n")


def cpu_seconds(cluster: Cluster) -> float:
    """Of all its processes; those that ended are in what their parent was told of them."""
    def used(pid, since_utime: int) -> int:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[since_utime:since_utime + 2]))

    own, of_ended = 11, 13
    while True:
        ended = used(cluster.process.pid, of_ended)
        ticks = used(cluster.process.pid, own) + ended
        for pid in children(cluster.process.pid):
            with contextlib.suppress(OSError):
                ticks += used(pid, own)
        if used(cluster.process.pid, of_ended) == ended:
            return ticks / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def most_connections(cluster: Cluster):
    """Gives a dictionary that holds the most connections of each application once the block is left."""
    found: dict = {}
    with tempfile.TemporaryFile("w+") as output:
        watching = subprocess.Popen(**{**psql(cluster.port, "postgres", "postgres"), "stdout": output, "stderr": subprocess.DEVNULL},
                                    stdin=subprocess.PIPE)
        try:
            watching.stdin.write(f"SELECT 'seen', application_name, count(*) FROM pg_stat_activity WHERE usename = '{ROLE}' GROUP BY 2\n"
                                 "\\watch 0.5\n")
            watching.stdin.close()
            yield found
        finally:
            watching.terminate()
            watching.wait(10)
        output.seek(0)
        for name, count in re.findall(r"^seen\|(.*)\|(\d+)$", output.read(), re.MULTILINE):
            found[name] = max(found.get(name, 0), int(count))

