//! What arrays and objects hold.

#![expect(unsafe_code, reason = "Node-API is a C interface")]

use napi::sys;

use super::api::node_api;
use super::value::{JsResult, Value};

impl<'env> Value<'env> {
    fn is_array(self) -> bool {
        let mut found = false;
        node_api!(self.scope(), napi_is_array, self.raw(), &raw mut found);
        found
    }

    /// The elements of an array; empty for anything else.
    pub fn elements(self) -> JsResult<'env, Vec<Self>> {
        let mut length = 0;
        if !self.is_array() {
            return Ok(Vec::new());
        }
        self.scope().check(node_api!(
            self.scope(),
            napi_get_array_length,
            self.raw(),
            &raw mut length
        ))?;
        (0..length)
            .map(|index| {
                self.scope().make(|result| {
                    node_api!(self.scope(), napi_get_element, self.raw(), index, result)
                })
            })
            .collect()
    }

    /// Own enumerable string keys, in order.
    pub fn keys(self) -> JsResult<'env, Vec<String>> {
        let filter = sys::KeyFilter::enumerable | sys::KeyFilter::skip_symbols;
        let names = self.scope().make(|result| {
            node_api!(
                self.scope(),
                napi_get_all_property_names,
                self.raw(),
                sys::KeyCollectionMode::own_only,
                filter,
                sys::KeyConversion::numbers_to_strings,
                result
            )
        })?;
        Ok(names
            .elements()?
            .into_iter()
            .filter_map(Self::as_string)
            .collect())
    }
}
