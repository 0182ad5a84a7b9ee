//! Where settings come from, later layers winning: defaults, the file, `conf.d/*.toml` beside it in
//! the order of their names, environment variables `ADIT_SECTION__KEY`.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use config::{Map, Source, Value, ValueKind};

use super::model::Config;
use super::tree::{KEYS, Setting, gather_keys, settings_of_environment, settings_of_file};
use super::validate::validate;
use crate::diagnostic::{Diagnostic, Place, any_error};
use crate::io::error::told;

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "/etc/adit/adit.toml";

/// Where to look.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file named on the command line; none: [`DEFAULT_FILE`], which may be absent.
    pub file: Option<PathBuf>,
    /// The environment: a value, so that tests need not change the process's own.
    pub environment: Vec<(String, String)>,
}

impl Sources {
    /// The named file, or the default one, and the environment of this process.
    pub fn of_process(file: Option<PathBuf>) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            file,
            environment: std::env::vars_os().filter_map(text).collect(),
        }
    }
}

/// Where each setting was written.
#[derive(Clone, Debug, Default)]
pub struct Origins(BTreeMap<String, (Place, Vec<Place>)>);

impl Origins {
    /// The place of `section.key`.
    pub fn of(&self, path: &str) -> Place {
        self.0
            .get(path)
            .map_or_else(Place::default_value, |(place, _)| place.clone())
    }

    /// The place of element `index` of the list `section.key`.
    pub fn of_element(&self, path: &str, index: usize) -> Place {
        match self.0.get(path) {
            Some((place, elements)) => elements.get(index).unwrap_or(place).clone(),
            None => Place::default_value(),
        }
    }

    /// Whether `section.key` was written anywhere.
    pub fn is_written(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration; none if there are errors: nothing is half-applied.
    pub config: Option<Config>,
    /// Where each setting was written.
    pub origins: Origins,
    /// The files that were read, in order.
    pub files: Vec<PathBuf>,
    /// Everything found, errors and warnings, in the order of the layers.
    pub findings: Vec<Diagnostic>,
}

/// Reads all layers, merges and validates them.
pub fn load(sources: &Sources) -> Loaded {
    let mut findings = Vec::new();
    let mut layers = Vec::new();
    let mut files = Vec::new();

    let file = sources
        .file
        .clone()
        .unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    let required = sources.file.is_some();
    if let Some(text) = read(&file, required, &mut findings) {
        layers.push(layer_of_file(&file, &text, &mut findings));
        files.push(file.clone());
    }
    for extra in fragments(&file, &mut findings) {
        if let Some(text) = read(&extra, true, &mut findings) {
            layers.push(layer_of_file(&extra, &text, &mut findings));
            files.push(extra);
        }
    }
    let mut environment = sources.environment.clone();
    environment.sort();
    let variables = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    layers.push(settings_of_environment(variables, &mut findings));

    merged(layers, files, findings)
}

/// What `text` is as the only layer, though it is in no file yet: `file` is where it will be.
pub fn judge(file: &Path, text: &str) -> Loaded {
    let mut findings = Vec::new();
    let layer = layer_of_file(file, text, &mut findings);
    merged(vec![layer], vec![file.to_owned()], findings)
}

/// Merges and validates what was read.
fn merged(
    mut layers: Vec<Vec<Setting>>,
    files: Vec<PathBuf>,
    mut findings: Vec<Diagnostic>,
) -> Loaded {
    gather_keys(&mut layers);

    let mut origins = Origins::default();
    for setting in layers.iter().flatten() {
        let places = (setting.place.clone(), setting.elements.clone());
        origins.0.insert(setting.path.clone(), places);
    }
    // A setting that could not be read is not in its layer: validating without it would complain
    // about the consequences. The findings so far are what has to be mended first.
    let config = if any_error(&findings) {
        None
    } else {
        merge(layers, &mut findings)
    };
    if let Some(config) = &config {
        validate(config, &origins, &mut findings);
    }
    let config = config.filter(|_| !any_error(&findings));
    Loaded {
        config,
        origins,
        files,
        findings,
    }
}

/// Reads a file of text. Absence is an error if it was asked for by name.
fn read(path: &Path, required: bool, findings: &mut Vec<Diagnostic>) -> Option<String> {
    let place = Place::file(path);
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound && !required => {
            let found = Diagnostic::warning(place, "there is no such file; defaults apply");
            findings.push(found.hint("`adit quickstart` makes one"));
            return None;
        }
        Err(error) => {
            findings.push(cannot_read(place, &error));
            return None;
        }
    };
    match String::from_utf8(bytes) {
        // Windows editors put a byte order mark first; TOML would call it an unexpected character.
        Ok(text) => Some(
            text.strip_prefix('\u{feff}')
                .map(str::to_owned)
                .unwrap_or(text),
        ),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes().get(..valid).unwrap_or_default());
            let place = place.at_offset(&text, valid);
            let found = Diagnostic::error(place, "not UTF-8 from here on");
            findings.push(found.hint("save the file as UTF-8"));
            None
        }
    }
}

/// The finding for a file that cannot be read; used for secrets files as well.
pub(crate) fn cannot_read(place: Place, error: &std::io::Error) -> Diagnostic {
    match error.kind() {
        ErrorKind::NotFound => Diagnostic::error(place, "there is no such file")
            .hint("`adit quickstart` makes a whole configuration"),
        ErrorKind::PermissionDenied => {
            Diagnostic::error(place, "this user may not read it").hint("run as root, or with sudo")
        }
        ErrorKind::IsADirectory => Diagnostic::error(place, "this is a directory, not a file"),
        _ => Diagnostic::error(place, format!("cannot be read: {}", told(error))),
    }
}

/// `conf.d/*.toml` beside `file`, in the order of their names.
fn fragments(file: &Path, findings: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
    let folder = file.parent().unwrap_or(Path::new("")).join("conf.d");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Vec::new();
        }
        Err(error) => {
            findings.push(cannot_read(Place::file(&folder), &error));
            return Vec::new();
        }
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        // Editors' leftovers.
        .filter(|path| {
            !path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
        })
        .collect();
    files.sort();
    files
}

/// Settings that name a file.
const PATHS: [&str; 10] = [
    "ipsec.secrets",
    "ppp.secrets",
    "ppp.pap-secrets",
    "l2tp.secret-file",
    "scripts.auth-up",
    "scripts.ip-pre-up",
    "scripts.ip-up",
    "scripts.ip-down",
    "scripts.auth-down",
    "control.socket",
];

fn layer_of_file(path: &Path, text: &str, findings: &mut Vec<Diagnostic>) -> Vec<Setting> {
    let mut settings = settings_of_file(&Place::file(path), text, findings);
    // A relative path is relative to the file that says it, wherever the program was started.
    let folder = path.parent().unwrap_or(Path::new(""));
    let resolve = |value: &mut toml::Value| {
        if let toml::Value::String(value) = value
            && !value.is_empty()
            && let Some(joined) = folder.join(&*value).to_str()
        {
            *value = joined.to_owned();
        }
    };
    for setting in &mut settings {
        if PATHS.contains(&setting.path.as_str()) {
            resolve(&mut setting.value);
        }
        if let (KEYS, toml::Value::Array(keys)) = (setting.path.as_str(), &mut setting.value) {
            let files = keys.iter_mut().filter_map(|key| key.get_mut("secret-file"));
            files.for_each(resolve);
        }
    }
    settings
}

/// One layer, as the `config` crate wants it. The origin of each value is its place.
#[derive(Clone, Debug)]
struct Layer(Vec<Setting>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self
            .0
            .iter()
            .map(|setting| (setting.path.clone(), value(&setting.value, &setting.place)))
            .collect())
    }
}

fn value(from: &toml::Value, place: &Place) -> Value {
    let kind = match from {
        toml::Value::String(text) => ValueKind::String(text.clone()),
        toml::Value::Integer(number) => ValueKind::I64(*number),
        toml::Value::Float(number) => ValueKind::Float(*number),
        toml::Value::Boolean(truth) => ValueKind::Boolean(*truth),
        toml::Value::Datetime(time) => ValueKind::String(time.to_string()),
        toml::Value::Array(list) => {
            ValueKind::Array(list.iter().map(|element| value(element, place)).collect())
        }
        toml::Value::Table(table) => ValueKind::Table(
            table
                .iter()
                .map(|(key, inner)| (key.clone(), value(inner, place)))
                .collect(),
        ),
    };
    Value::new(Some(&place.to_string()), kind)
}

fn merge(layers: Vec<Vec<Setting>>, findings: &mut Vec<Diagnostic>) -> Option<Config> {
    let merged = config::Config::try_from(&Config::default()).and_then(|defaults| {
        let builder = config::Config::builder().add_source(defaults);
        let builder = layers
            .into_iter()
            .map(Layer)
            .fold(builder, |b, layer| b.add_source(layer));
        builder.build()?.try_deserialize::<Config>()
    });
    match merged {
        Ok(config) => Some(config),
        // Each setting was read alone before; what is left names its origin by itself.
        Err(error) => {
            findings.push(Diagnostic::error(Place::default_value(), error.to_string()));
            None
        }
    }
}

#[cfg(test)]
#[path = "layers_tests.rs"]
mod tests;
