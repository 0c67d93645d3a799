//! Who is let in: by a password that is never sent (SCRAM-SHA-256), or by a certificate of their
//! name.

use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;
use futures::{Sink, SinkExt as _};
use pgwire::api::auth::sasl::scram::ScramAuth;
use pgwire::api::auth::sasl::{SASLState, SCRAM_SHA_256_METHOD, SCRAM_SHA_256_PLUS_METHOD};
use pgwire::api::auth::{
    AuthSource, DefaultServerParameterProvider, LoginInfo, Password, StartupHandler,
    finish_authentication, protocol_negotiation, save_startup_parameters_to_metadata,
};
use pgwire::api::{
    ClientInfo, METADATA_DATABASE, METADATA_USER, PgWireConnectionState,
    PidSecretKeyGenerator as _, RandomPidSecretKeyGenerator,
};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::startup::{Authentication, PasswordMessageFamily, Startup};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use tokio::sync::Mutex;

use super::Connection;
use super::refused::{plain, refused};
use crate::analysts::{Analyst, ITERATIONS};
use crate::desk::PG_VERSION;
use crate::desk::counters::Door;
use crate::desk::visit::Visit;

/// Lets somebody in, once.
pub(super) struct Greeting {
    connection: Arc<Connection>,
    scram: ScramAuth,
    state: Mutex<SASLState>,
}

impl Greeting {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        let mut scram = ScramAuth::new(Arc::new(Passwords(Arc::clone(&connection))));
        scram.set_iterations(ITERATIONS);
        if let Some(tls) = &connection.door.tls {
            // Without a digest for the kind of certificate there is no channel to bind to.
            let _ = scram.configure_certificate(tls.certificate());
        }
        Self { connection, scram, state: Mutex::new(SASLState::Initial) }
    }

    /// Ends the greeting: somebody is known by name.
    async fn enter<C>(&self, client: &mut C, analyst: Analyst) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let desk = &self.connection.door.desk;
        let population = desk.population();
        let asked = client.metadata().get(METADATA_DATABASE).cloned().unwrap_or_default();
        let known = ["", "graunt", "postgres", &analyst.name, &population];
        if !known.contains(&asked.as_str()) {
            let asked: String = asked.chars().filter(|c| !c.is_control()).take(60).collect();
            let what = format!("[R-TABLE] there is no database {asked:?} here");
            let mut told = plain("FATAL", "3D000", &what);
            told.hint = Some(format!("the population is {population}"));
            return Err(PgWireError::UserError(Box::new(told)));
        }
        let begun = Visit::begin(desk, Door::Postgres, analyst);
        let visit = Arc::new(begun.map_err(|failure| refused(&failure, ""))?);
        for (name, value) in settings(client) {
            visit.set(&name, &value).map_err(|failure| refused(&failure, ""))?;
        }
        let (id, secret) = RandomPidSecretKeyGenerator::default().generate(client);
        let id = id ^ (rand_bits() & 0x3fff_ffff);
        self.connection.door.register(id, secret.clone(), &visit);
        client.set_pid_and_secret_key(id, secret);
        let _ = self.connection.visit.set(visit);
        finish_authentication(client, &parameters()).await
    }

    async fn start<C>(&self, client: &mut C, startup: &Startup) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        protocol_negotiation(client, startup).await?;
        save_startup_parameters_to_metadata(client, startup);
        let name = client.metadata().get(METADATA_USER).cloned().unwrap_or_default();
        let desk = &self.connection.door.desk;
        if self.connection.certificate.as_ref() == Some(&name)
            && let Some(analyst) = desk.analysts.find(&name).map_err(|f| refused(&f, ""))?
        {
            desk.told_login(Door::Postgres, &name, true);
            return self.enter(client, analyst).await;
        }
        client.set_state(PgWireConnectionState::AuthenticationInProgress);
        let mut methods = vec![SCRAM_SHA_256_METHOD.to_owned()];
        if self.scram.supports_channel_binding() {
            methods.push(SCRAM_SHA_256_PLUS_METHOD.to_owned());
        }
        let offer = PgWireBackendMessage::Authentication(Authentication::SASL(methods));
        Ok(client.send(offer).await?)
    }

    async fn prove<C>(&self, client: &mut C, message: PasswordMessageFamily) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let mut state = self.state.lock().await;
        let message = if matches!(*state, SASLState::Initial) {
            let first = message.into_sasl_initial_response()?;
            let known = [SCRAM_SHA_256_METHOD, SCRAM_SHA_256_PLUS_METHOD];
            if !known.contains(&first.auth_method.as_str()) {
                return Err(PgWireError::UnsupportedSASLAuthMethod("this one".to_owned()));
            }
            *state = SASLState::ScramClientFirstReceived;
            PasswordMessageFamily::SASLInitialResponse(first)
        } else {
            PasswordMessageFamily::SASLResponse(message.into_sasl_response()?)
        };
        let name = client.metadata().get(METADATA_USER).cloned().unwrap_or_default();
        let desk = &self.connection.door.desk;
        let proved = self.scram.process_scram_message(client, message, &state).await;
        let (reply, next) = match proved {
            Ok(proved) => proved,
            Err(fault) => {
                desk.told_login(Door::Postgres, &name, false);
                tokio::time::sleep(desk.limits.login_pause).await;
                return Err(fault);
            }
        };
        client.send(PgWireBackendMessage::Authentication(reply)).await?;
        *state = next;
        if !matches!(*state, SASLState::Finished) {
            return Ok(());
        }
        let found = desk.analysts.find(&name).map_err(|failure| refused(&failure, ""))?;
        let proved = self.connection.secret.get();
        let found = found.filter(|found| proved.is_some_and(|secret| secret.is_of(found)));
        let analyst = found.ok_or(PgWireError::InvalidPassword(String::new()))?;
        desk.told_login(Door::Postgres, &name, true);
        self.enter(client, analyst).await
    }
}

#[async_trait]
impl StartupHandler for Greeting {
    async fn on_startup<C>(
        &self,
        client: &mut C,
        message: PgWireFrontendMessage,
    ) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        match message {
            PgWireFrontendMessage::Startup(startup) => self.start(client, &startup).await,
            PgWireFrontendMessage::PasswordMessageFamily(proof) => self.prove(client, proof).await,
            _ => Err(PgWireError::InvalidStartupMessage),
        }
    }
}

/// What is set at connect: `options='-c graunt.epsilon=0.5'`, or the variables by their names.
fn settings<C: ClientInfo>(client: &C) -> Vec<(String, String)> {
    let own = client.metadata().iter().filter(|(name, _)| name.starts_with("graunt."));
    let mut found: Vec<_> = own.map(|(name, value)| (name.clone(), value.clone())).collect();
    let options = client.metadata().get("options").map_or("", String::as_str);
    for word in options.split_whitespace() {
        let word = word.strip_prefix("-c").or_else(|| word.strip_prefix("--")).unwrap_or(word);
        if let Some((name, value)) = word.split_once('=')
            && name.starts_with("graunt.")
        {
            found.push((name.to_owned(), value.to_owned()));
        }
    }
    found
}

/// What clients are told of the server.
fn parameters() -> DefaultServerParameterProvider {
    let mut told = DefaultServerParameterProvider::default();
    told.server_version = PG_VERSION.to_owned();
    told.is_superuser = false;
    told.date_style = "ISO, MDY".to_owned();
    told.scram_iterations = ITERATIONS;
    told
}

/// Numbers of connections are drawn, not counted: they tell nobody how many there were.
fn rand_bits() -> i32 {
    let random = ledger_adapter::digest::Digest::random();
    let bytes = random.map_or([0; 4], |digest| {
        let [a, b, c, d, ..] = *digest.as_bytes();
        [a, b, c, d]
    });
    i32::from_be_bytes(bytes)
}

/// The passwords of analysts, as SCRAM has them.
struct Passwords(Arc<Connection>);

impl Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passwords")
    }
}

#[async_trait]
impl AuthSource for Passwords {
    async fn get_password(&self, login: &LoginInfo) -> PgWireResult<Password> {
        let name = login.user().unwrap_or_default();
        let secret = self.0.door.desk.analysts.secret(name);
        let secret = secret.map_err(|failure| refused(&failure, ""))?;
        // There is one greeting of a connection, and one name in it.
        let secret = self.0.secret.get_or_init(|| secret);
        Ok(Password::new(Some(secret.salt.clone()), secret.salted.clone()))
    }
}
