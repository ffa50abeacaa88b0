// SPDX-License-Identifier: Apache-2.0
//! What this provider needs of mergeloom/plugin.h and mergeloom/types.h, member for member.
//!
//! A struct is written down whole, in the header's order, but for the host's table, whose end is not used here. A function
//! that may be absent is an Option: NULL is None.
#![allow(dead_code)]
use std::os::raw::{c_char, c_void};

pub const ABI_MAJOR: u32 = 1;
pub const ABI_MINOR: u32 = 0;

pub const OK: i32 = 0;
pub const E_UNAVAILABLE: i32 = -9;
pub const E_PROTOCOL: i32 = -10;

pub const FIELD_REQUIRED: u32 = 1;
pub const FIELD_STRING: u32 = 0;
pub const FIELD_URL: u32 = 5;
pub const SHAPE_MODEL: u32 = 0;
pub const THREADS_PARALLEL: u32 = 2;
pub const CAPABILITY_TOOLS: u64 = 1;
pub const EXCHANGE_HTTP: u32 = 0;
pub const ROLE_TOOL_RESULT: u32 = 1;
pub const MESSAGE_ERROR: u32 = 1;
pub const EVENT_TEXT: u32 = 1;
pub const EVENT_TOOL_CALL: u32 = 3;
pub const EVENT_USAGE: u32 = 5;
pub const STOP_TOOL_CALLS: u32 = 1;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bytes {
    pub data: *const c_char,
    pub size: usize,
}

#[repr(C)]
pub struct Error {
    pub size: u32,
    pub flags: u32,
    pub code: i32,
    pub domain: u32,
    pub http_status: i32,
    pub retryable: u32,
    pub retry_after_ms: i64,
    pub message: [u8; 512],
    pub remedy: [u8; 384],
    pub request_id: [u8; 128],
}

#[repr(C)]
pub struct Header {
    pub size: u32,
    pub flags: u32,
    pub name: *const c_char,
    pub value: *const c_char,
    pub secret: *const c_void,
}

#[repr(C)]
pub struct HttpRequest {
    pub size: u32,
    pub flags: u32,
    pub method: *const c_char,
    pub url: *const c_char,
    pub headers: *const *const Header,
    pub header_count: usize,
    pub body: *const Bytes,
    pub body_count: usize,
    pub connect_timeout_ms: u64,
    pub first_byte_timeout_ms: u64,
    pub idle_timeout_ms: u64,
    pub total_timeout_ms: u64,
}

#[repr(C)]
pub struct Field {
    pub size: u32,
    pub flags: u32,
    pub name: *const c_char,
    pub title: *const c_char,
    pub help: *const c_char,
    pub kind: u32,
    pub reserved: u32,
    pub environment_names: *const *const c_char,
    pub choices: *const *const c_char,
    pub default_value: *const c_char,
    pub minimum: i64,
    pub maximum: i64,
    pub shown_when_field: *const c_char,
    pub shown_when_value: *const c_char,
}

#[repr(C)]
pub struct Setting {
    pub size: u32,
    pub flags: u32,
    pub value: *const c_char,
    pub secret: *const c_void,
    pub origin_name: *const c_char,
    pub origin: u32,
    pub locked: u32,
    pub path: *const c_char,
}

/// The head of mloom_host. The members that this provider does not call are pointers of no type.
#[repr(C)]
pub struct Host {
    pub size: u32,
    pub flags: u32,
    pub abi_major: u32,
    pub abi_minor: u32,
    pub version: *const c_char,
    pub ctx: *mut c_void,
    pub log: *const c_void,
    pub memory: [*const c_void; 3],
    pub secret: [*const c_void; 4],
    pub http: *const c_void,
    pub spawn: *const c_void,
    pub clock: [*const c_void; 3],
    pub random: *const c_void,
    pub setting_get: extern "C" fn(*mut c_void, *const c_void, *const c_char, *mut Setting) -> i32,
}

#[repr(C)]
pub struct OpenArgs {
    pub size: u32,
    pub flags: u32,
    pub host: *const Host,
    pub settings: *const c_void,
}

#[repr(C)]
pub struct Tool {
    pub size: u32,
    pub flags: u32,
    pub name: *const c_char,
    pub description: *const c_char,
    pub parameters: Bytes,
}

/// The members after working_directory are for the agent shape.
#[repr(C)]
pub struct SessionArgs {
    pub size: u32,
    pub flags: u32,
    pub session_id: *const c_char,
    pub model: *const c_char,
    pub instructions: Bytes,
    pub tools: *const *const Tool,
    pub tool_count: usize,
    pub max_output_tokens: u64,
    pub working_directory: *const c_char,
}

#[repr(C)]
pub struct Message {
    pub size: u32,
    pub flags: u32,
    pub role: u32,
    pub reserved: u32,
    pub text: Bytes,
    pub tool_call_id: *const c_char,
    pub tool_name: *const c_char,
}

#[repr(C)]
pub struct Exchange {
    pub size: u32,
    pub flags: u32,
    pub kind: u32,
    pub reserved: u32,
    pub http: *const HttpRequest,
    pub process: *const c_void,
    pub authorization: *const c_void,
}

#[repr(C)]
pub struct Event {
    pub size: u32,
    pub flags: u32,
    pub kind: u32,
    pub reserved: u32,
    pub text: Bytes,
    pub id: Bytes,
    pub name: Bytes,
    pub input_tokens: u64,
    pub cached_input_tokens: u64,
    pub cache_write_tokens: u64,
    pub output_tokens: u64,
    pub reasoning_tokens: u64,
    pub cost_millionths: u64,
}

#[repr(C)]
pub struct EventSink {
    pub size: u32,
    pub flags: u32,
    pub userdata: *mut c_void,
    pub event: extern "C" fn(*const Event, *mut c_void),
}

#[repr(C)]
pub struct ExchangeEnd {
    pub size: u32,
    pub flags: u32,
    pub outcome: i32,
    pub http_status: i32,
    pub exit_code: i32,
    pub signal: i32,
}

#[repr(C)]
pub struct TurnResult {
    pub size: u32,
    pub flags: u32,
    pub stop: u32,
    pub tool_call_count: u32,
}

#[repr(C)]
pub struct Provider {
    pub size: u32,
    pub flags: u32,
    pub id: *const c_char,
    pub title: *const c_char,
    pub description: *const c_char,
    pub shape: u32,
    pub threads: u32,
    pub capabilities: u64,
    pub aliases: *const *const c_char,
    pub fields: *const *const Field,
    pub field_count: usize,
    pub open: extern "C" fn(*const OpenArgs, *mut *mut c_void, *mut Error) -> i32,
    pub close: extern "C" fn(*mut c_void),
    pub session_new: extern "C" fn(*mut c_void, *const SessionArgs, *mut *mut c_void, *mut Error) -> i32,
    pub session_free: extern "C" fn(*mut c_void),
    pub append: extern "C" fn(*mut c_void, *const Message, *mut Error) -> i32,
    pub prepare: extern "C" fn(*mut c_void, *const c_void, *mut Exchange, *mut Error) -> i32,
    pub header: Option<extern "C" fn(*mut c_void, i32, *const c_char, *const c_char, *mut Error) -> i32>,
    pub feed: extern "C" fn(*mut c_void, *const c_char, usize, *const EventSink, *mut Error) -> i32,
    pub finish: extern "C" fn(*mut c_void, *const ExchangeEnd, *const EventSink, *mut TurnResult, *mut Error) -> i32,
    pub check: Option<extern "C" fn()>,
    pub probe: Option<extern "C" fn()>,
    pub probe_result: Option<extern "C" fn()>,
    pub login: Option<extern "C" fn()>,
}

#[repr(C)]
pub struct Plugin {
    pub size: u32,
    pub flags: u32,
    pub abi_major: u32,
    pub abi_minor: u32,
    pub name: *const c_char,
    pub version: *const c_char,
    pub description: *const c_char,
    pub providers: *const *const Provider,
    pub provider_count: usize,
    pub credential_sources: *const *const c_void,
    pub credential_source_count: usize,
    pub resolver_layers: *const *const c_void,
    pub resolver_layer_count: usize,
    pub shutdown: Option<extern "C" fn()>,
}

/// Descriptors are constant, so that threads may share them, pointers or not.
#[repr(transparent)]
pub struct Constant<T>(pub T);
unsafe impl<T> Sync for Constant<T> {}
