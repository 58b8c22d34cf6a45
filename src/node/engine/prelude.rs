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
use super::value::{JsResult, Scope, Thrown, Value};
use crate::nesting::{self, MAX_NESTING};
use crate::server_config::Issue;
use crate::tools::RawTools;

/// The functions, in the order of the script's array.
#[derive(Clone, Copy)]
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
    /// Members as texts.
    FieldText,
    /// Variables of `process.env` as texts.
    VariableText,
    /// An object with the same members.
    Copy,
    /// Members that are there.
    Pick,
    /// Which members are there, as bits.
    Present,
    /// Calls a function when a promise has settled.
    Settle,
    /// Calls a function in a microtask.
    Soon,
    /// The tools of an outline and its schemas.
    Tools,
}

/// Names of properties. The address of a list stands for it: the array that it has once become is kept.
pub type Names = &'static [&'static str];

/// Napi's instance data: lives as long as the environment.
struct InstanceData {
    exports: sys::napi_ref,
    functions: OnceCell<Vec<sys::napi_ref>>,
    /// Lists of names as arrays.
    names: RefCell<Vec<(Names, sys::napi_ref)>>,
}

/// The values of members of an object that are neither `undefined` nor `null`.
#[derive(Clone)]
pub struct MemberValues<'env> {
    names: Names,
    found: Vec<(usize, Value<'env>)>,
}

impl<'env> MemberValues<'env> {
    pub fn get(&self, name: &str) -> Option<Value<'env>> {
        let (_, value) = self
            .found
            .iter()
            .find(|(index, _)| self.names.get(*index) == Some(&name))?;
        Some(*value)
    }
}

/// Which members an object has.
#[derive(Clone, Copy)]
pub struct Present {
    names: Names,
    bits: u64,
}

impl Present {
    pub fn has(self, name: &str) -> bool {
        let index = self.names.iter().position(|known| *known == name);
        index.is_some_and(|index| self.bits >> index & 1 == 1)
    }
}

impl<'env> Scope<'env> {
    /// Keeps the module's exports. Nothing else here works before that.
    pub fn load(self, exports: Value<'env>) -> JsResult<'env, ()> {
        let data = Box::new(InstanceData {
            exports: self.reference(exports)?,
            functions: OnceCell::new(),
            names: RefCell::default(),
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
        if tools.schemas().is_empty() {
            return self.parse_json(tools.outline());
        }
        let texts = [self.string(tools.outline())?, self.string(tools.schemas())?];
        self.helper(Helper::Tools)?.call(self.undefined(), &texts)
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
        self.read_with(Helper::FieldText, names)
    }

    /// An object with the same members.
    pub fn copied(self) -> JsResult<'env> {
        self.help(Helper::Copy, &[self])
    }

    pub fn pick(self, names: Names) -> JsResult<'env, MemberValues<'env>> {
        let array = self.scope().names(names)?;
        let pairs = self.help(Helper::Pick, &[self, array])?.elements()?;
        let found = pairs.chunks_exact(2).filter_map(|pair| {
            let index = pair[0].as_index()?;
            Some((index, pair[1]))
        });
        Ok(MemberValues {
            names,
            found: found.collect(),
        })
    }

    /// At most 53 names.
    pub fn which(self, names: Names) -> JsResult<'env, Present> {
        let array = self.scope().names(names)?;
        let bits = self.help(Helper::Present, &[self, array])?.as_number();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a sum of powers of two below 2^53"
        )]
        let bits = bits.unwrap_or_default() as u64;
        Ok(Present { names, bits })
    }

    /// Calls this function in a microtask.
    pub fn soon(self) -> JsResult<'env, ()> {
        self.help(Helper::Soon, &[self]).map(drop)
    }

    fn read_with<T: DeserializeOwned>(self, helper: Helper, names: Names) -> JsResult<'env, T> {
        let array = self.scope().names(names)?;
        let text = self.help(helper, &[self, array])?.as_string();
        self.read(text.as_deref().unwrap_or("{}"))
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
