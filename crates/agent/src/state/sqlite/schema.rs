//! The state file's format. It is raised with each change of the tables, and older files are carried over.

/// What `PRAGMA user_version` says in files of this version.
pub(super) const VERSION: i64 = 4;

/// From each version to the next, from nothing on. They are run in one transaction, so a crash leaves either nothing or
/// all of it.
pub(super) const STEPS: [&str; VERSION as usize] = [FIRST, DOMAINS_AND_FILES, FINISHED_WORK, ROUNDS];

/// What files of the first version have, for tests of what becomes of them.
#[cfg(test)]
pub(in crate::state) const FIRST_FORMAT: &str = FIRST;

const FIRST: &str = "
-- Records that are, or may be, in DNS: `value` is a TXT value, or 'CNAME ' and the target. `applied` is empty from the intent until the provider confirmed it.
CREATE TABLE IF NOT EXISTS held (
    account  TEXT    NOT NULL,
    order_id INTEGER NOT NULL,
    zone     TEXT    NOT NULL,
    owner    TEXT    NOT NULL,
    value    TEXT    NOT NULL,
    intended TEXT    NOT NULL,
    applied  TEXT,
    PRIMARY KEY (account, order_id, zone, owner, value)
) STRICT;
CREATE INDEX IF NOT EXISTS held_by_name ON held (owner, value);
-- What was last known of each order, for `status` and for politeness after a restart.
CREATE TABLE IF NOT EXISTS orders (
    account  TEXT    NOT NULL,
    order_id INTEGER NOT NULL,
    reason   TEXT    NOT NULL,
    detail   TEXT    NOT NULL,
    at       TEXT    NOT NULL,
    wake     TEXT    NOT NULL,
    status   TEXT,
    proven   INTEGER NOT NULL,
    PRIMARY KEY (account, order_id)
) STRICT;
-- When calls were sent, in milliseconds since 1970: the CA's rate windows outlive our process.
CREATE TABLE IF NOT EXISTS calls (
    account TEXT    NOT NULL,
    sent    INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS calls_by_time ON calls (account, sent);
PRAGMA user_version = 1;
";

/// Prevalidated domains stand beside orders. Files stand beside records, in a row without a zone: `value` is then
/// 'FILE ' and the value.
const DOMAINS_AND_FILES: &str = "
ALTER TABLE held RENAME TO held_1;
CREATE TABLE held (
    account  TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    id       INTEGER NOT NULL,
    zone     TEXT    NOT NULL,
    owner    TEXT    NOT NULL,
    value    TEXT    NOT NULL,
    intended TEXT    NOT NULL,
    applied  TEXT,
    PRIMARY KEY (account, kind, id, zone, owner, value)
) STRICT;
INSERT INTO held SELECT account, 'order', order_id, zone, owner, value, intended, applied FROM held_1;
DROP TABLE held_1;
CREATE INDEX held_by_name ON held (owner, value);
CREATE TABLE notes (
    account TEXT    NOT NULL,
    kind    TEXT    NOT NULL,
    id      INTEGER NOT NULL,
    reason  TEXT    NOT NULL,
    detail  TEXT    NOT NULL,
    at      TEXT    NOT NULL,
    wake    TEXT    NOT NULL,
    status  TEXT,
    proven  INTEGER NOT NULL,
    deadline TEXT,
    PRIMARY KEY (account, kind, id)
) STRICT;
INSERT INTO notes SELECT account, 'order', order_id, reason, detail, at, wake, status, proven, NULL FROM orders;
DROP TABLE orders;
PRAGMA user_version = 2;
";

/// When the work began, and whether it was found in an account: what has ended is told for some days. And what was in trouble
/// for everybody when it was told last.
const FINISHED_WORK: &str = "
ALTER TABLE notes ADD COLUMN begun TEXT;
ALTER TABLE notes ADD COLUMN discovered INTEGER NOT NULL DEFAULT 0;
CREATE TABLE troubles (
    subject TEXT NOT NULL PRIMARY KEY,
    since   TEXT NOT NULL,
    detail  TEXT NOT NULL
) STRICT;
PRAGMA user_version = 3;
";

/// When a run began that looked at every order of an account: what has changed since then the CA tells in one list.
const ROUNDS: &str = "
CREATE TABLE rounds (
    account TEXT NOT NULL PRIMARY KEY,
    began   TEXT NOT NULL
) STRICT;
PRAGMA user_version = 4;
";
