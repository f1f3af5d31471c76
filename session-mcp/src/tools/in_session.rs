//! The arguments of a tool that takes a handle.

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};

use rmcp::model::{EmptyObject, JsonObject};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::resolve::SESSION_ARGUMENT;

use super::handle::plain;

/// The arguments of a tool, with the handle of its session beside them.
///
/// It puts the optional argument `session` into the tool's input schema. The session itself is the [`Session`] that the
/// tool takes, whichever way the call arrived; `T` never sees the handle, so it may refuse unknown fields. A tool
/// without arguments of its own takes `Parameters<InSession>`, and one in a router that is
/// [mounted](super::SessionTools::mount) with all of its tools needs none of this.
///
/// ```
/// use rmcp::handler::server::wrapper::Parameters;
/// use rmcp::{tool, tool_router};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
/// use session_mcp::{InSession, Session, SessionError, SessionTools};
/// # use rmcp::handler::server::router::tool::ToolRouter;
///
/// # struct Shop;
/// #[derive(Deserialize, JsonSchema)]
/// struct Item {
///     name: String,
/// }
///
/// #[tool_router]
/// impl Shop {
///     #[tool(description = "Puts something into the cart")]
///     async fn add(
///         &self,
///         session: Session,
///         Parameters(InSession(item)): Parameters<InSession<Item>>,
///     ) -> Result<String, SessionError> {
///         session.set("last", &item.name).await?;
///         Ok(format!("{} is in the cart", item.name))
///     }
///
///     #[tool(description = "Tells when the shop opens")]
///     fn opens(&self) -> String {
///         "at nine".to_owned()
///     }
/// }
///
/// fn tools(tools: &SessionTools) -> ToolRouter<Shop> {
///     tools.mount_beside(Shop::tool_router())
/// }
/// # let lifetimes = session_core::Lifetimes::default();
/// # let router = tools(&SessionTools::new(lifetimes, session_mcp::Durability::Process));
/// # let takes = |tool: &str| router.get(tool).expect("a tool").input_schema["properties"].get("session").is_some();
/// # assert!(takes("add") && !takes("opens"));
/// ```
///
/// # Panics
///
/// Making the schema panics, when the router is made, if `T` has an argument `session`.
///
/// [`Session`]: crate::Session
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a wrapper")]
pub struct InSession<T = EmptyObject>(pub T);

impl<T> Deref for InSession<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for InSession<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for InSession<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut arguments = JsonObject::deserialize(deserializer)?;
        arguments.remove(SESSION_ARGUMENT);
        T::deserialize(Value::Object(arguments)).map(Self).map_err(D::Error::custom)
    }
}

impl<T: JsonSchema> JsonSchema for InSession<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("InSession_{}", T::schema_name()).into()
    }

    fn schema_id() -> Cow<'static, str> {
        format!("{}::InSession<{}>", module_path!(), T::schema_id()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = T::json_schema(generator);
        let properties = schema.ensure_object().entry("properties").or_insert_with(|| json!({}));
        if let Value::Object(properties) = properties {
            let own = properties.insert(SESSION_ARGUMENT.to_owned(), plain());
            assert!(own.is_none(), "{} has an argument `{SESSION_ARGUMENT}`, which is the handle's", T::schema_name());
        }
        schema
    }
}
