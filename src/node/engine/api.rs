//! How functions of Node-API are called.

/// Calls a function of Node-API in the environment of a scope, and gives its status.
macro_rules! node_api {
    ($scope:expr, $function:ident $(, $argument:expr)*) => {{
        let scope = $scope;
        // SAFETY: a scope exists only while JavaScript's thread runs our code in its environment. Values are of that
        // environment, and what the function writes to are variables of the caller.
        unsafe { napi::sys::$function(scope.raw(), $($argument),*) }
    }};
}

pub(super) use node_api;
