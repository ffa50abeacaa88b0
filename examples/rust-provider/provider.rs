// SPDX-License-Identifier: Apache-2.0
//! The provider of examples/minimal-provider in Rust; its README.md describes the protocol that both speak.
mod mergeloom;

use mergeloom::*;
use std::ffi::CStr;
use std::mem::size_of;
use std::os::raw::{c_char, c_void};
use std::ptr::{addr_of, null};

struct Instance {
    host: *const Host,
    settings: *const c_void,
}

struct Session {
    instance: *const Instance,
    body: Vec<u8>,   // all that was said, as records
    answer: Vec<u8>, // what comes now
    segment: Bytes,
    header: Header,
    headers: [*const Header; 1],
    request: HttpRequest,
}

/// A text of the C side as bytes.
unsafe fn word<'a>(text: *const c_char) -> &'a [u8] {
    CStr::from_ptr(text).to_bytes()
}

unsafe fn slice<'a>(bytes: Bytes) -> &'a [u8] {
    if bytes.size == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(bytes.data.cast(), bytes.size)
    }
}

fn bytes(text: &[u8]) -> Bytes {
    Bytes { data: text.as_ptr().cast(), size: text.len() }
}

/// Copies text into a member of the error, cut to leave its NUL. The texts of this file are ASCII.
fn fail(error: &mut Error, code: i32, text: &str) -> i32 {
    let size = text.len().min(error.message.len() - 1);
    error.message[..size].copy_from_slice(&text.as_bytes()[..size]);
    error.message[size] = 0;
    error.code = code;
    error.retryable = 1;
    code
}

fn add_record(body: &mut Vec<u8>, head: &[&[u8]], content: &[u8]) {
    body.extend(head.join(&b' '));
    body.extend(format!(" {}\n", content.len()).bytes());
    body.extend(content);
    body.push(b'\n');
}

extern "C" fn open(args: *const OpenArgs, out: *mut *mut c_void, _error: *mut Error) -> i32 {
    unsafe {
        let instance = Instance { host: (*args).host, settings: (*args).settings };
        *out = Box::into_raw(Box::new(instance)).cast();
    }
    OK
}

extern "C" fn close(instance: *mut c_void) {
    unsafe { drop(Box::from_raw(instance.cast::<Instance>())) }
}

extern "C" fn session_new(
    instance: *mut c_void,
    args: *const SessionArgs,
    out: *mut *mut c_void,
    _: *mut Error,
) -> i32 {
    let mut body = Vec::new();
    unsafe {
        let args = &*args;
        for i in 0..args.tool_count {
            let tool = &**args.tools.add(i);
            let content = [word(tool.description), slice(tool.parameters)].join(&b'\n');
            add_record(&mut body, &[b"tool", word(tool.name)], &content);
        }
        add_record(&mut body, &[b"model"], word(args.model));
        add_record(&mut body, &[b"system"], slice(args.instructions));
        let nothing = Bytes { data: null(), size: 0 };
        *out = Box::into_raw(Box::new(Session {
            instance: instance.cast(),
            body,
            answer: Vec::new(),
            segment: nothing,
            header: Header {
                size: size_of::<Header>() as u32,
                flags: 0,
                name: b"Content-Type\0".as_ptr().cast(),
                value: b"text/plain; charset=utf-8\0".as_ptr().cast(),
                secret: null(),
            },
            headers: [null()],
            request: HttpRequest {
                size: size_of::<HttpRequest>() as u32,
                flags: 0,
                method: b"POST\0".as_ptr().cast(),
                url: null(),
                headers: null(),
                header_count: 1,
                body: null(),
                body_count: 1,
                connect_timeout_ms: 0,
                first_byte_timeout_ms: 0,
                idle_timeout_ms: 0,
                total_timeout_ms: 0,
            },
        }))
        .cast();
    }
    OK
}

extern "C" fn session_free(session: *mut c_void) {
    unsafe { drop(Box::from_raw(session.cast::<Session>())) }
}

extern "C" fn append(session: *mut c_void, message: *const Message, _error: *mut Error) -> i32 {
    unsafe {
        let (session, message) = (&mut *session.cast::<Session>(), &*message);
        let kind: &[u8] = if message.flags & MESSAGE_ERROR != 0 { b"failed" } else { b"result" };
        if message.role == ROLE_TOOL_RESULT {
            add_record(&mut session.body, &[kind, word(message.tool_call_id)], slice(message.text));
        } else {
            add_record(&mut session.body, &[b"user"], slice(message.text));
        }
    }
    OK
}

extern "C" fn prepare(session: *mut c_void, _turn: *const c_void, out: *mut Exchange, _error: *mut Error) -> i32 {
    unsafe {
        let session = &mut *session.cast::<Session>();
        let instance = &*session.instance;
        let mut url = Setting {
            size: size_of::<Setting>() as u32,
            flags: 0,
            value: null(),
            secret: null(),
            origin_name: null(),
            origin: 0,
            locked: 0,
            path: null(),
        };
        // The field is required, so it is set.
        let name = b"base_url\0".as_ptr().cast();
        ((*instance.host).setting_get)((*instance.host).ctx, instance.settings, name, &mut url);
        session.answer.clear();
        session.segment = bytes(&session.body);
        session.headers = [&session.header];
        session.request.url = url.value;
        session.request.headers = session.headers.as_ptr();
        session.request.body = &session.segment;
        (*out).kind = EXCHANGE_HTTP;
        (*out).http = &session.request;
    }
    OK
}

extern "C" fn feed(session: *mut c_void, data: *const c_char, size: usize, _: *const EventSink, _: *mut Error) -> i32 {
    unsafe { (*session.cast::<Session>()).answer.extend(slice(Bytes { data, size })) }
    OK
}

fn event(kind: u32, id: &[u8], name: &[u8], text: &[u8], tokens: (u64, u64)) -> Event {
    Event {
        size: size_of::<Event>() as u32,
        flags: 0,
        kind,
        reserved: 0,
        text: bytes(text),
        id: bytes(id),
        name: bytes(name),
        input_tokens: tokens.0,
        cached_input_tokens: 0,
        cache_write_tokens: 0,
        output_tokens: tokens.1,
        reasoning_tokens: 0,
        cost_millionths: 0,
    }
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// What a line of the answer tells; None for one that is not known.
fn read_line(line: &[u8]) -> Option<Event> {
    let content = &line[..line.len() - 1];
    if let Some(text) = line.strip_prefix(b"text ") {
        return Some(event(EVENT_TEXT, b"", b"", text, (0, 0))); // with its newline
    }
    if let Some(rest) = content.strip_prefix(b"call ") {
        let mut words = rest.splitn(3, |&byte| byte == b' ');
        return Some(event(EVENT_TOOL_CALL, words.next()?, words.next()?, words.next()?, (0, 0)));
    }
    let mut words = content.strip_prefix(b"usage ")?.splitn(2, |&byte| byte == b' ');
    Some(event(EVENT_USAGE, b"", b"", b"", (number(words.next()?)?, number(words.next()?)?)))
}

extern "C" fn finish(
    session: *mut c_void,
    end: *const ExchangeEnd,
    sink: *const EventSink,
    out: *mut TurnResult,
    error: *mut Error,
) -> i32 {
    unsafe {
        let (session, end, sink, error) = (&mut *session.cast::<Session>(), &*end, &*sink, &mut *error);
        if end.outcome != OK {
            return end.outcome; // the host knows why
        }
        if end.http_status != 200 {
            return fail(error, E_UNAVAILABLE, "minimal-rust: the service did not answer 200");
        }
        for line in session.answer.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            if line.starts_with(b"error ") {
                return fail(error, E_UNAVAILABLE, "minimal-rust: the service answered with an error line");
            }
            if line == b"end\n" {
                add_record(&mut session.body, &[b"assistant"], &session.answer);
                return OK;
            }
            if let Some(event) = read_line(line) {
                (sink.event)(&event, sink.userdata);
                if event.kind == EVENT_TOOL_CALL {
                    (*out).stop = STOP_TOOL_CALLS;
                    (*out).tool_call_count += 1;
                }
            }
        }
        fail(error, E_PROTOCOL, "minimal-rust: the answer was cut before its end")
    }
}

const fn field(name: &'static [u8], title: &'static [u8], help: &'static [u8]) -> Field {
    Field {
        size: size_of::<Field>() as u32,
        flags: 0,
        name: name.as_ptr().cast(),
        title: title.as_ptr().cast(),
        help: help.as_ptr().cast(),
        kind: FIELD_STRING,
        reserved: 0,
        environment_names: null(),
        choices: null(),
        default_value: null(),
        minimum: 0,
        maximum: 0,
        shown_when_field: null(),
        shown_when_value: null(),
    }
}

static URL: Constant<Field> = Constant(Field {
    flags: FIELD_REQUIRED,
    kind: FIELD_URL,
    ..field(b"base_url\0", b"Address\0", b"Address that is posted to\0")
});
static MODEL: Constant<Field> = Constant(Field {
    default_value: b"minimal-1\0".as_ptr().cast(),
    ..field(b"model\0", b"Model\0", b"Name of the model\0")
});
static FIELDS: Constant<[*const Field; 2]> = Constant([addr_of!(URL.0), addr_of!(MODEL.0)]);
static PROVIDER: Constant<Provider> = Constant(Provider {
    size: size_of::<Provider>() as u32,
    flags: 0,
    id: b"minimal-rust\0".as_ptr().cast(),
    title: b"Minimal in Rust\0".as_ptr().cast(),
    description: b"Speaks a line protocol over HTTP\0".as_ptr().cast(),
    shape: SHAPE_MODEL,
    threads: THREADS_PARALLEL,
    capabilities: CAPABILITY_TOOLS,
    aliases: null(),
    fields: addr_of!(FIELDS.0).cast(),
    field_count: 2,
    open,
    close,
    session_new,
    session_free,
    append,
    prepare,
    header: None,
    feed,
    finish,
    check: None,
    probe: None,
    probe_result: None,
    login: None,
});
static PROVIDERS: Constant<[*const Provider; 1]> = Constant([addr_of!(PROVIDER.0)]);
static PLUGIN: Constant<Plugin> = Constant(Plugin {
    size: size_of::<Plugin>() as u32,
    flags: 0,
    abi_major: ABI_MAJOR,
    abi_minor: ABI_MINOR,
    name: b"minimal-rust\0".as_ptr().cast(),
    version: b"1.0\0".as_ptr().cast(),
    description: b"A provider written in Rust\0".as_ptr().cast(),
    providers: addr_of!(PROVIDERS.0).cast(),
    provider_count: 1,
    credential_sources: null(),
    credential_source_count: 0,
    resolver_layers: null(),
    resolver_layer_count: 0,
    shutdown: None,
});

/// The one exported symbol.
#[no_mangle]
pub extern "C" fn mergeloom_plugin_init_v1(_host: *const Host, _text: *mut c_char, _size: usize) -> *const Plugin {
    addr_of!(PLUGIN.0)
}
