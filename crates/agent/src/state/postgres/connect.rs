//! Connecting to the database, and telling what keeps us from it.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgDatabaseError},
};

use super::schema;
use crate::state::{Error, Shared, access::Access};

/// The longest that connecting to one host may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// The lock under which the tables are made; any number does that no other tool uses.
const MAKING: i64 = 0x6463_765f_6167_656e;
/// How long a replica that was stopped in the middle of a transaction may hold up the others.
const IDLE_IN_TRANSACTION: &str = "4s";

/// The host's name and the process's number: by these the database shows our connections.
pub(super) fn name_of_this_process() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    // PostgreSQL cuts a name at 63 bytes, and takes ASCII only.
    let host: String = host.chars().filter(char::is_ascii_graphic).take(40).collect();
    format!("dcv-agent {host} {}", std::process::id())
}

/// Connects to the first host that can be written to.
pub(super) async fn connect(shared: &Shared, access: Access, name: &str) -> Result<PgConnection, Error> {
    let password = match &shared.password {
        Some(password) => {
            Some(password.secret().map_err(|why| unfit(shared, format!("agent.state_password: {why}")))?)
        }
        None => None,
    };
    let mut failed = None;
    for options in shared.address.options() {
        let mut options = options
            .application_name(name)
            .options([
                ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION),
                ("statement_timeout", "9s"),
            ])
            .disable_statement_logging();
        if let Some(password) = &password {
            options = options.password(password.expose_secret());
        }
        match tokio::time::timeout(PATIENCE, prepared(&options, shared, access)).await {
            Ok(Ok(connection)) => return Ok(connection),
            // What is worst to wait for goes first: a host that is away hides what another refuses.
            Ok(Err(error)) if failed.as_ref().is_none_or(Error::is_passing) => failed = Some(error),
            Ok(Err(_)) => {}
            Err(_) => {
                failed.get_or_insert(Error::Silent { at: shared.to_string(), seconds: PATIENCE.as_secs() });
            }
        }
    }
    Err(failed.unwrap_or_else(|| unfit(shared, "names no host".into())))
}

/// A connection to a database that has today's tables.
async fn prepared(
    options: &PgConnectOptions,
    shared: &Shared,
    access: Access,
) -> Result<PgConnection, Error> {
    let explain = |error| explained(shared, error);
    let mut connection = options.connect().await.map_err(explain)?;
    let read_only: bool =
        sqlx::query_scalar("SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean")
            .fetch_one(&mut connection)
            .await
            .map_err(explain)?;
    if read_only && access == Access::Own {
        let what = "can only be read: it is a standby, or its transactions are read-only; name the primary, or all hosts of the cluster";
        return Err(unfit(shared, what.into()));
    }
    let found = match version(&mut connection).await.map_err(explain)? {
        Some(found) => found,
        None if access == Access::Beside => return Err(Error::Missing { at: shared.to_string() }),
        None => 0,
    };
    if found < schema::VERSION && access == Access::Own {
        make(&mut connection, shared).await?;
    } else if found < schema::VERSION {
        return Err(Error::Older { at: shared.to_string(), found, known: schema::VERSION });
    }
    if found > schema::VERSION {
        return Err(Error::Newer { at: shared.to_string(), found, known: schema::VERSION });
    }
    Ok(connection)
}

/// What version the tables have; none where there are none.
async fn version(connection: &mut PgConnection) -> Result<Option<i64>, sqlx::Error> {
    // By what is in the catalogue now: what `to_regclass` knows may be from before another replica made it.
    let is_there: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'dcv_agent' AND relnamespace = current_schema()::regnamespace)",
    )
    .fetch_one(&mut *connection)
    .await?;
    if !is_there {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT version FROM dcv_agent").fetch_optional(connection).await
}

/// Makes the tables, or carries them over. Replicas that start at once wait for the one that does it.
async fn make(connection: &mut PgConnection, shared: &Shared) -> Result<(), Error> {
    let explain = |error| explained(shared, error);
    let mut transaction = connection.begin().await.map_err(explain)?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(MAKING)
        .execute(&mut *transaction)
        .await
        .map_err(explain)?;
    let found = match version(&mut transaction).await.map_err(explain)? {
        Some(found) => found,
        None => {
            if let Some(table) = strange_table(&mut transaction).await.map_err(explain)? {
                let what = format!(
                    "holds tables of something else, such as {table}; give the agent a database, or a schema, of its own"
                );
                return Err(unfit(shared, what));
            }
            0
        }
    };
    for step in schema::STEPS.iter().skip(usize::try_from(found).unwrap_or_default()) {
        sqlx::raw_sql(*step).execute(&mut *transaction).await.map_err(explain)?;
    }
    transaction.commit().await.map_err(explain)
}

/// A table that stands where ours would be made.
async fn strange_table(connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT relname::text FROM pg_class
         WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f') LIMIT 1",
    )
    .fetch_optional(connection)
    .await
}

fn unfit(shared: &Shared, what: String) -> Error {
    Error::Unfit { at: shared.to_string(), what }
}

/// Whether a row was to be written that points to one which is gone (`foreign_key_violation`).
pub(super) fn names_a_missing_row(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "23503")
}

/// What an error of the database means for the operator: SQLSTATE classes of PostgreSQL's appendix A.
pub(super) fn explained(shared: &Shared, error: sqlx::Error) -> Error {
    let told = |error: &PgDatabaseError| error.message().to_owned();
    let refused = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    if let Some(refused) = refused {
        let what = match refused.code() {
            "28P01" | "28000" => {
                format!(
                    "refuses the login ({}); look at the user, agent.state_password and pg_hba.conf",
                    told(refused)
                )
            }
            "3D000" => format!("does not exist ({}); make it, or set another agent.state", told(refused)),
            "42501" => format!("does not let us ({}); docs/operations.md lists the grants", told(refused)),
            "25006" => format!("can only be read ({})", told(refused)),
            // Starting up, shutting down, too many connections: it passes.
            code if code.starts_with("57P") || code.starts_with("53") || code.starts_with("08") => {
                return Error::Away { at: shared.to_string(), source: error };
            }
            _ => return Error::Statement(error),
        };
        return unfit(shared, what);
    }
    match error {
        sqlx::Error::Tls(why) => unfit(
            shared,
            format!(
                "cannot be talked to over TLS ({}); look at sslmode and sslrootcert",
                crate::error::chain(&*why)
            ),
        ),
        sqlx::Error::Configuration(why) => unfit(shared, crate::error::chain(&*why)),
        source @ (sqlx::Error::Io(_) | sqlx::Error::Protocol(_)) => {
            Error::Away { at: shared.to_string(), source }
        }
        other => Error::Statement(other),
    }
}
