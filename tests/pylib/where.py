"""Our evaluation of a where clause beside Postgres', for tests that compare the two."""
import psycopg2

from pylib.where_oracle import Probe, unescaped

SETTINGS = ["bytea_output = hex", "DateStyle = 'ISO, DMY'", "TimeZone = UTC", "extra_float_digits = 1",
            "IntervalStyle = iso_8601"]


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


class Oracle:
    """A table in Postgres and the same rows in oracle_probe.

    `columns` maps a name to (SQL type, what the probe is told of it after the name, values).
    """

    def __init__(self, database, columns, rows, rnd):
        self.connection = database.connect()
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        self.columns = columns
        for setting in SETTINGS:
            self.cursor.execute(f"SET {setting}")
        self.cursor.execute(f"CREATE TABLE w (row_number serial, {', '.join(f'{n} {c[0]}' for n, c in columns.items())})")
        for i in range(rows):
            values = [c[2][i] if i < len(c[2]) else rnd.choice(c[2] + [None]) for c in columns.values()]
            self.cursor.execute(f"INSERT INTO w ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})",
                                values)
        self.cursor.execute(f"SELECT {', '.join(f'{n}::text' for n in columns)} FROM w ORDER BY row_number")
        self.rows = self.cursor.fetchall()
        self.probe = Probe()
        for name, column in columns.items():
            self.probe.say(f"C {name} {column[1]}")
        for row in self.rows:
            self.probe.row(row)
        self.truths = []

    def sql_of(self, clause):
        """(our SQL, None) or (None, why it is refused)."""
        answer = self.probe.ask("W", clause)
        if answer[0] == "ERR":
            return None, unescaped(answer[1])
        self.truths = ["error" if truth == "e" else truth for truth in answer[2]]
        return unescaped(answer[3]), None

    def ours(self):
        """What we say of every row under the clause that sql_of() took last: t, f, n or "error"."""
        return self.truths

    def postgres(self, clause):
        """What Postgres says of every row, one by one where one of them fails: t, f, n or "error"."""
        spelled = {True: "t", False: "f", None: "n"}
        try:
            self.cursor.execute(f"SELECT ({clause}) FROM w ORDER BY row_number")
            return [spelled[value] for value, in self.cursor.fetchall()]
        except psycopg2.Error:
            pass
        answers = []
        for number in range(1, len(self.rows) + 1):
            try:
                self.cursor.execute(f"SELECT ({clause}) FROM w WHERE row_number = {number}")
                answers.append(spelled[self.cursor.fetchone()[0]])
            except psycopg2.Error:
                answers.append("error")
        return answers

    def compare(self, clause):
        """True when the clause was accepted; then every row must have Postgres' truth."""
        sql, refusal = self.sql_of(clause)
        if sql is None:
            return False
        try:
            self.cursor.execute(f"EXPLAIN SELECT * FROM w WHERE {sql}")
        except psycopg2.Error as error:
            # What fails by its values may fail as well when it is planned; a clause that is none may not.
            assert error.pgcode[:2] == "22", f"{clause} is sent as {sql}: {error}"
        ours = self.ours()
        theirs = self.postgres(clause)
        for i, (our, their) in enumerate(zip(ours, theirs)):
            if their == "error":
                continue  # the first rows could not have been read: there is no such shape
            assert our == their, f"{clause}: {self.rows[i]!r}: we say {our}, Postgres {their}; sent: {sql}"
        sent = [their if their == "error" else answer for answer, their in zip(self.postgres(sql), theirs)]
        assert sent == theirs, f"{clause} is not {sql}"
        return True

    def texts(self, expression):
        """The different texts that an expression has in Postgres; None when it fails there."""
        try:
            self.cursor.execute(f"SELECT DISTINCT ({expression})::text FROM w")
            return [text for text, in self.cursor.fetchall()]
        except psycopg2.Error:
            return None

    def close(self):
        self.probe.close()
        self.connection.close()
