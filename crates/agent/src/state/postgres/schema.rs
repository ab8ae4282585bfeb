//! The database's format. It is raised with each change of the tables, and older ones are carried over: once, whichever replica
//! comes first, while the others wait.

/// What the table `dcv_agent` says in databases of this version.
pub(super) const VERSION: i64 = 1;

/// From each version to the next, from nothing on. They are run in one transaction.
pub(super) const STEPS: [&str; VERSION as usize] = [FIRST];

/// Times of the agents' own are text, as in SQLite; what replicas compare is the database's time.
const FIRST: &str = "
-- By this table the agent knows its own database.
CREATE TABLE dcv_agent (version BIGINT NOT NULL);
INSERT INTO dcv_agent VALUES (1);
-- Records that are, or may be, in DNS: `value` is a TXT value, or 'CNAME ' and the target. Files stand in rows without a zone:
-- `value` is then 'FILE ' and the value. `applied` is empty from the intent until the provider confirmed it.
CREATE TABLE held (
    account  TEXT   NOT NULL,
    kind     TEXT   NOT NULL,
    id       BIGINT NOT NULL,
    zone     TEXT   NOT NULL,
    owner    TEXT   NOT NULL,
    value    TEXT   NOT NULL,
    intended TEXT   NOT NULL,
    applied  TEXT,
    PRIMARY KEY (account, kind, id, zone, owner, value)
);
CREATE INDEX held_by_name ON held (owner, value);
-- What was last known of each order and domain.
CREATE TABLE notes (
    account    TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    id         BIGINT  NOT NULL,
    reason     TEXT    NOT NULL,
    detail     TEXT    NOT NULL,
    at         TEXT    NOT NULL,
    wake       TEXT    NOT NULL,
    status     TEXT,
    proven     BOOLEAN NOT NULL,
    deadline   TEXT,
    begun      TEXT,
    discovered BOOLEAN NOT NULL DEFAULT false,
    PRIMARY KEY (account, kind, id)
);
-- What is in trouble for everybody, as each replica sees it.
CREATE TABLE troubles (
    replica TEXT NOT NULL,
    subject TEXT NOT NULL,
    since   TEXT NOT NULL,
    detail  TEXT NOT NULL,
    PRIMARY KEY (replica, subject)
);
CREATE TABLE rounds (
    account TEXT NOT NULL PRIMARY KEY,
    began   TEXT NOT NULL
);
-- The agents that share the work. A row that is gone fences its replica off: nothing that it intends is written any more.
CREATE TABLE replicas (
    id   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL,
    beat TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
-- What is looked after, and by which replica; by none while nobody has taken it up. `news` is what its replica has not heard
-- yet.
CREATE TABLE work (
    account    TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    id         BIGINT  NOT NULL,
    discovered BOOLEAN NOT NULL,
    needed_by  TEXT,
    replica    BIGINT REFERENCES replicas ON DELETE SET NULL,
    news       TEXT,
    PRIMARY KEY (account, kind, id)
);
CREATE INDEX work_by_replica ON work (replica);
CREATE INDEX work_with_news ON work (replica) WHERE news IS NOT NULL;
-- What one replica does at a time: a zone is written, a list is read. Who waits says so, and says so again while it waits.
CREATE TABLE turns (
    name    TEXT NOT NULL PRIMARY KEY,
    replica BIGINT REFERENCES replicas ON DELETE SET NULL
);
CREATE INDEX turns_by_replica ON turns (replica);
CREATE TABLE waiting (
    name    TEXT   NOT NULL,
    replica BIGINT NOT NULL REFERENCES replicas ON DELETE CASCADE,
    since   TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    asked   TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (name, replica)
);
-- An account's calls: a place in the CA's windows is taken from `taken` until its window has passed since `over`.
CREATE TABLE accounts (
    name   TEXT NOT NULL PRIMARY KEY,
    paused TIMESTAMPTZ
);
CREATE TABLE calls (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account TEXT NOT NULL,
    replica BIGINT,
    taken   TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    over    TIMESTAMPTZ
);
CREATE INDEX calls_by_time ON calls (account, over);
-- How often the files that are to be shown have changed.
CREATE TABLE files (changes BIGINT NOT NULL);
INSERT INTO files VALUES (0);
";
