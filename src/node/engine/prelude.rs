//! Functions of our own in JavaScript (`prelude.js`), for what would take a call of Node-API for each property.

#![expect(unsafe_code, reason = "Node-API is a C interface")]

use std::cell::{OnceCell, RefCell};
use std::ffi::c_void;
use std::ptr;

use indexmap::IndexMap;
use napi::sys;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value as Json};

use super::api::node_api;
use super::members::{MemberValues, Names, Present};
use super::value::{JsResult, Scope, Thrown, Value};
use crate::nesting::{self, MAX_NESTING};
use crate::server_config::Issue;
use crate::tools::RawTools;

/// The functions, in the order of the script's array.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Helper {
    /// `JSON.parse`, as it was when it was first needed.
    Parse,
    /// The JSON text of a value.
    Text,
    /// The same, exactly as `JSON.stringify` has it.
    ExactText,
    /// That of some members of a config.
    ConfigText,
    /// What the JSON text of a config does not show.
    HiddenText,
    /// The script of a function that gives members as texts.
    FieldReader,
    /// Variables of `process.env` as texts.
    VariableText,
    /// An object with the same members.
    Copy,
    /// The script of one that gives the members that are there, behind their bits.
    PickReader,
    /// The script of one that gives which members are there, as bits.
    PresentReader,
    /// Whether any channel has subscribers.
    AnySubscribed,
    /// Calls a function when a promise has settled.
    Settle,
    /// Calls a function in a microtask.
    Soon,
    /// `AsyncResource.prototype.runInAsyncScope`.
    RunInAsyncScope,
    /// What the registry answers about the network.
    NetworkAnswers,
    /// The tools of a number, or of an outline and its schemas.
    Tools,
}

/// Napi's instance data: lives as long as the environment.
struct InstanceData {
    exports: sys::napi_ref,
    functions: OnceCell<Vec<sys::napi_ref>>,
    /// Lists of names as arrays.
    names: RefCell<Vec<(Names, sys::napi_ref)>>,
    /// Functions that read members of these names.
    readers: RefCell<Vec<(Helper, Names, sys::napi_ref)>>,
    /// Called when a promise has settled.
    on_settled: OnceCell<sys::napi_ref>,
}

impl<'env> Scope<'env> {
    /// Keeps the module's exports. Nothing else here works before that.
    pub fn load(self, exports: Value<'env>) -> JsResult<'env, ()> {
        let data = Box::new(InstanceData {
            exports: self.reference(exports)?,
            functions: OnceCell::new(),
            names: RefCell::default(),
            readers: RefCell::default(),
            on_settled: OnceCell::new(),
        });
        let data = Box::into_raw(data).cast();
        self.check(node_api!(
            self,
            napi_set_instance_data,
            data,
            Some(forget),
            ptr::null_mut()
        ))
    }

    pub fn exports(self) -> JsResult<'env> {
        Ok(self.referenced(self.instance_data()?.exports))
    }

    pub fn helper(self, helper: Helper) -> JsResult<'env> {
        let data = self.instance_data()?;
        let functions = if let Some(functions) = data.functions.get() {
            functions
        } else {
            let functions = self.evaluate()?;
            data.functions.get_or_init(|| functions)
        };
        let function = functions.get(helper as usize);
        Ok(function.map_or_else(|| self.undefined(), |function| self.referenced(*function)))
    }

    /// `JSON.parse`: one string crosses, V8 builds the objects.
    pub fn parse_json(self, text: &str) -> JsResult<'env> {
        let parse = self.helper(Helper::Parse)?;
        parse.call(self.undefined(), &[self.string(text)?])
    }

    pub fn json(self, value: &Json) -> JsResult<'env> {
        self.parse_json(&value.to_string())
    }

    fn instance_data(self) -> JsResult<'env, &'env InstanceData> {
        let mut data = ptr::null_mut();
        self.check(node_api!(self, napi_get_instance_data, &raw mut data))?;
        // SAFETY: set by `Scope::load`, and by nothing else of the addon; it lives as long as the environment.
        match unsafe { data.cast::<InstanceData>().as_ref() } {
            Some(data) => Ok(data),
            None => Err(Thrown(self.error("Error", "The module is not loaded"))),
        }
    }

    /// An array. Long schemas are parsed when they are first looked at.
    pub fn tools(self, tools: &RawTools) -> JsResult<'env> {
        let helper = self.helper(Helper::Tools)?;
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
        let number = tools.number().map(|number| self.number(number as f64));
        let number = number.unwrap_or_else(|| Ok(self.undefined()))?;
        let known = helper.call(self.undefined(), &[number])?;
        if !known.is_undefined() {
            return Ok(known);
        }
        let texts = [self.string(tools.outline())?, self.string(tools.schemas())?];
        helper.call(self.undefined(), &[number, texts[0], texts[1]])
    }

    /// The variables of `process.env` that are set, as the JSON text of an object of texts.
    pub fn variable_text(self, names: Names) -> JsResult<'env, String> {
        let names = self.names(names)?;
        let helper = self.helper(Helper::VariableText)?;
        let text = helper.call(self.undefined(), &[names])?.as_string();
        Ok(text.unwrap_or_default())
    }

    fn names(self, names: Names) -> JsResult<'env> {
        let data = self.instance_data()?;
        let known = data
            .names
            .borrow()
            .iter()
            .find(|(known, _)| ptr::eq(*known, names))
            .map(|(_, array)| *array);
        if let Some(array) = known {
            return Ok(self.referenced(array));
        }
        let texts: JsResult<'env, Vec<_>> = names.iter().map(|name| self.string(name)).collect();
        let array = self.array(&texts?)?;
        let reference = self.reference(array)?;
        data.names.borrow_mut().push((names, reference));
        Ok(array)
    }

    /// The function that reads members of these names, made when it is first needed.
    fn reader(self, script: Helper, names: Names) -> JsResult<'env> {
        let data = self.instance_data()?;
        let known = data
            .readers
            .borrow()
            .iter()
            .find(|(helper, known, _)| *helper == script && ptr::eq(*known, names))
            .map(|(_, _, reader)| *reader);
        if let Some(reader) = known {
            return Ok(self.referenced(reader));
        }
        let text = self.helper(script)?;
        let text = text.call(self.undefined(), &[self.names(names)?])?;
        let reader = self.run_script(&text.as_string().unwrap_or_default())?;
        let reference = self.reference(reader)?;
        data.readers.borrow_mut().push((script, names, reference));
        Ok(reader)
    }

    /// What [`Helper::Settle`] calls: one function for all promises, which `make` makes.
    pub(super) fn on_settled(self, make: impl FnOnce() -> JsResult<'env>) -> JsResult<'env> {
        let data = self.instance_data()?;
        if let Some(function) = data.on_settled.get() {
            return Ok(self.referenced(*function));
        }
        let function = make()?;
        let reference = self.reference(function)?;
        data.on_settled.get_or_init(|| reference);
        Ok(function)
    }

    /// What a text of our own evaluates to.
    pub fn run_script(self, text: &str) -> JsResult<'env> {
        let script = self.string(text)?;
        self.make(|result| node_api!(self, napi_run_script, script.raw(), result))
    }

    fn evaluate(self) -> JsResult<'env, Vec<sys::napi_ref>> {
        let functions = self.run_script(include_str!("prelude.js"))?.elements()?;
        functions
            .into_iter()
            .map(|function| self.reference(function))
            .collect()
    }

    /// Keeps an object for as long as the environment lives.
    fn reference(self, object: Value<'env>) -> JsResult<'env, sys::napi_ref> {
        let mut reference = ptr::null_mut();
        self.check(node_api!(
            self,
            napi_create_reference,
            object.raw(),
            1,
            &raw mut reference
        ))?;
        Ok(reference)
    }

    fn referenced(self, reference: sys::napi_ref) -> Value<'env> {
        let mut raw = ptr::null_mut();
        node_api!(self, napi_get_reference_value, reference, &raw mut raw);
        self.value(raw)
    }
}

unsafe extern "C" fn forget(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: made by `Scope::load`, and given back once.
    drop(unsafe { Box::from_raw(data.cast::<InstanceData>()) });
}

impl<'env> Value<'env> {
    /// The value as JSON, as `JSON.stringify` would see it, but without running `toJSON` of the host's objects, and
    /// with dates in milliseconds. `None` for what JSON has no form for.
    pub fn to_json(self) -> JsResult<'env, Option<Json>> {
        let text = self.help(Helper::Text, &[self])?.as_string();
        text.map(|text| self.read(&text)).transpose()
    }

    /// The value as JSON, exactly as `JSON.stringify` writes it: dates as texts, `toJSON` run, half of a surrogate pair as
    /// U+FFFD. `None` for what it has no form for. What it cannot write is a `TypeError` that says where, from `path` on.
    pub fn to_exact_json(self, path: &str) -> JsResult<'env, Option<Json>> {
        let read = |text: String| nesting::parse(&text, MAX_NESTING);
        self.exact(path, read)
    }

    /// The same as text.
    pub fn to_exact_text(self, path: &str) -> JsResult<'env, Option<Box<RawValue>>> {
        let read = |text: String| {
            // Names of members that were not the same may have become so.
            if text.contains("\\ufffd") {
                return to_raw_value(&nesting::parse::<Json>(&text, MAX_NESTING)?);
            }
            nesting::checked(text, MAX_NESTING).and_then(RawValue::from_string)
        };
        self.exact(path, read)
    }

    fn exact<T>(
        self,
        path: &str,
        read: impl FnOnce(String) -> serde_json::Result<T>,
    ) -> JsResult<'env, Option<T>> {
        let scope = self.scope();
        let path_value = scope.string(path)?;
        let text = self.help(Helper::ExactText, &[self, path_value])?;
        let read = text.as_string().map(read).transpose();
        read.map_err(|error| scope.type_error(&format!("{path} cannot be sent: {error}")))
    }

    /// Own members of a config as JSON, without those that JSON has no form for. What it inherits counts only where it
    /// takes away from what the config may do.
    pub fn config_members(self, names: Names) -> JsResult<'env, Map<String, Json>> {
        self.members(&self.config_text(names)?)
    }

    /// The text of them.
    pub fn config_text(self, names: Names) -> JsResult<'env, String> {
        let array = self.scope().names(names)?;
        let text = self.help(Helper::ConfigText, &[self, array])?.as_string();
        Ok(text.unwrap_or_else(|| "{}".to_owned()))
    }

    /// What such a text says.
    pub fn members(self, text: &str) -> JsResult<'env, Map<String, Json>> {
        self.read(text)
    }

    /// What the JSON of a config does not show, or what may be another value at the next look. The names are those of
    /// members that are not to come from a prototype.
    pub fn hidden_members(self, names: Names) -> JsResult<'env, Vec<Issue>> {
        let array = self.scope().names(names)?;
        let text = self.help(Helper::HiddenText, &[self, array])?.as_string();
        self.read(text.as_deref().unwrap_or("[]"))
    }

    /// Members as texts, `null` and `undefined` as empty ones. Those that the object does not have are missing.
    pub fn fields(self, names: Names) -> JsResult<'env, IndexMap<String, String>> {
        let reader = self.scope().reader(Helper::FieldReader, names)?;
        let text = reader.call(self.scope().undefined(), &[self])?.as_string();
        self.read(text.as_deref().unwrap_or("{}"))
    }

    /// An object with the same members.
    pub fn copied(self) -> JsResult<'env> {
        self.help(Helper::Copy, &[self])
    }

    /// At most 64 names.
    pub fn pick(self, names: Names) -> JsResult<'env, MemberValues<'env>> {
        let reader = self.scope().reader(Helper::PickReader, names)?;
        let found = reader.call(self.scope().undefined(), &[self])?.elements()?;
        Ok(MemberValues::new(names, found))
    }

    /// At most 53 names.
    pub fn which(self, names: Names) -> JsResult<'env, Present> {
        let reader = self.scope().reader(Helper::PresentReader, names)?;
        let bits = reader.call(self.scope().undefined(), &[self])?;
        Ok(Present::new(names, bits))
    }

    /// Whether any channel of this array of them has subscribers.
    pub fn any_subscribed(self) -> JsResult<'env, bool> {
        Ok(self.help(Helper::AnySubscribed, &[self])?.is_truthy())
    }

    /// Calls this function in a microtask.
    pub fn soon(self) -> JsResult<'env, ()> {
        self.help(Helper::Soon, &[self]).map(drop)
    }

    fn help(self, helper: Helper, arguments: &[Self]) -> JsResult<'env> {
        let scope = self.scope();
        scope.helper(helper)?.call(scope.undefined(), arguments)
    }

    fn read<T: DeserializeOwned>(self, text: &str) -> JsResult<'env, T> {
        serde_json::from_str(text).map_err(|error| {
            let message = format!("A value of the host cannot be read: {error}");
            Thrown(self.scope().error("Error", &message))
        })
    }
}
