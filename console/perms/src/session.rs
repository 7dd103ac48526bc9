//! What a command works with: the settings, the client, and what there is to remark.

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

use centaur_client::api::{ApiClient, ApiError, ListFilter, Options};

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::ledger::Watch;
use crate::printer::Printer;
use crate::report::Warning;
use crate::settings::Settings;

/// One run of the program.
pub struct Session {
    /// What it goes by.
    pub settings: Settings,
    /// How it speaks.
    pub printer: Printer,
    /// Whether it is to stop.
    pub interrupt: Interrupt,
    client: OnceCell<ApiClient>,
    warnings: RefCell<Vec<Warning>>,
}

impl Session {
    /// Connects to nothing yet.
    pub fn new(settings: Settings, printer: Printer) -> Self {
        Self {
            settings,
            printer,
            interrupt: Interrupt::default(),
            client: OnceCell::new(),
            warnings: RefCell::default(),
        }
    }

    /// The client, for a command that needs the control plane.
    ///
    /// # Errors
    /// [`Failure::MissingOption`] without an address or a key.
    pub fn api(&self) -> Result<&ApiClient, Failure> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let missing = |option, env| Failure::MissingOption { option, env };
        let Settings { url, key, .. } = &self.settings;
        let url = url.clone().ok_or_else(|| missing("--iron-control-url", "IRON_CONTROL_URL"))?;
        let key = key.as_ref().ok_or_else(|| missing("--iron-control-api-key", "IRON_CONTROL_API_KEY"))?;
        if url.is_clear() && !url.is_loopback() {
            self.warn("cleartext", format!("{url} is not encrypted: the API key can be read on the way"));
        }
        let options = Options {
            timeout: self.settings.timeout,
            retries: self.settings.retries,
            user_agent: concat!("centaur-perms/", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        let watch = Watch::new(&self.settings, key);
        let client = ApiClient::new(url, key.clone(), options);
        let client = client.map_err(|error| Failure::BadOption {
            name: "--iron-control-url".to_owned(),
            problem: error.to_string(),
        })?;
        Ok(self.client.get_or_init(|| client.observed_by(Arc::new(watch))))
    }

    /// The namespace of what is named.
    pub fn namespace(&self) -> &str {
        &self.settings.namespace
    }

    /// A list of everything in the namespace.
    pub fn everything(&self) -> ListFilter {
        ListFilter::of(self.namespace())
    }

    /// A failed call, with whom it was made to.
    pub fn remote(&self, error: ApiError) -> Failure {
        let base = self.settings.url.as_ref().map(ToString::to_string).unwrap_or_default();
        Failure::Remote { error, base }
    }

    /// Says something that may surprise; once.
    pub fn warn(&self, code: &'static str, message: impl Into<String>) {
        let warning = Warning { code, message: message.into() };
        if self.warnings.borrow().contains(&warning) {
            return;
        }
        self.printer.warning(&warning);
        self.warnings.borrow_mut().push(warning);
    }

    /// All that was said so.
    pub fn warnings(&self) -> Vec<Warning> {
        self.warnings.borrow().clone()
    }
}

/// Turns failed calls into failures of the command.
pub trait Calls<T> {
    /// With whom it was made to.
    ///
    /// # Errors
    /// [`Failure::Remote`]
    fn of(self, session: &Session) -> Result<T, Failure>;
}

impl<T> Calls<T> for Result<T, ApiError> {
    fn of(self, session: &Session) -> Result<T, Failure> {
        self.map_err(|error| session.remote(error))
    }
}
