//! ZeroMQ's epgm: publish and subscribe over Pragmatic General Multicast in UDP, through the system's
//! libzmq. Its protocol runs in a thread of the library.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::ptr::NonNull;
use std::thread;
use std::time::{Duration, Instant};

use super::socket::{BUFFER_BYTES, MAX_DATAGRAM, read_until};
use super::{Place, RECEIVE_TIMEOUT, Receiver, Sender, sleep_until};

#[link(name = "zmq")]
unsafe extern "C" {
    fn zmq_ctx_new() -> *mut c_void;
    fn zmq_ctx_term(context: *mut c_void) -> c_int;
    fn zmq_socket(context: *mut c_void, kind: c_int) -> *mut c_void;
    fn zmq_close(socket: *mut c_void) -> c_int;
    fn zmq_setsockopt(
        socket: *mut c_void,
        option: c_int,
        value: *const c_void,
        length: usize,
    ) -> c_int;
    fn zmq_connect(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    fn zmq_send(socket: *mut c_void, bytes: *const c_void, length: usize, flags: c_int) -> c_int;
    fn zmq_recv(socket: *mut c_void, bytes: *mut c_void, length: usize, flags: c_int) -> c_int;
    fn zmq_errno() -> c_int;
    fn zmq_strerror(error: c_int) -> *const c_char;
}

/// Kinds of socket, flags and options, as in zmq.h.
const PUB: c_int = 1;
const SUB: c_int = 2;
const DONTWAIT: c_int = 1;
const SUBSCRIBE: c_int = 6;
const RATE: c_int = 8;
const RECOVERY_IVL: c_int = 9;
const SNDBUF: c_int = 11;
const RCVBUF: c_int = 12;
const LINGER: c_int = 17;
const RCVHWM: c_int = 24;
const RCVTIMEO: c_int = 27;
const XPUB_NODROP: c_int = 69;

/// What epgm may send, in kilobits a second. It has no other means to hold a sender back.
const RATE_KILOBITS: c_int = 1_000_000;

/// For how long it can repair what it sent: the library's default. The memory for it is this times the
/// rate, at most.
const RECOVERY_MILLISECONDS: c_int = 10_000;

/// The library's thread opens the sockets some time after the call that asks for it.
const OPENING: Duration = Duration::from_millis(300);

const NO_LIMIT: c_int = 0;

/// A socket of the library, with a context of its own.
struct Socket {
    context: NonNull<c_void>,
    socket: NonNull<c_void>,
    /// Flags of every receive.
    flags: c_int,
}

/// A sending end.
pub fn sender(place: &Place, _receivers: usize) -> io::Result<Box<dyn Sender>> {
    let socket = Socket::new(PUB, place)?;
    // Where its queue is full, a publisher drops lines unless told to wait.
    socket.set(XPUB_NODROP, 1)?;
    socket.set(SNDBUF, BUFFER_BYTES as c_int)?;
    socket.connect(place)?;
    Ok(Box::new(socket))
}

/// A receiving end.
pub fn receiver(place: &Place) -> io::Result<Box<dyn Receiver>> {
    let socket = Socket::new(SUB, place)?;
    socket.set_bytes(SUBSCRIBE, &[])?;
    socket.set(RCVBUF, BUFFER_BYTES as c_int)?;
    socket.set(RCVTIMEO, RECEIVE_TIMEOUT.as_millis() as c_int)?;
    // With a limit, the library would stop reading the network, and lose what comes meanwhile.
    socket.set(RCVHWM, NO_LIMIT)?;
    socket.connect(place)?;
    Ok(Box::new(socket))
}

impl Socket {
    fn new(kind: c_int, place: &Place) -> io::Result<Self> {
        // SAFETY: takes nothing.
        let context = NonNull::new(unsafe { zmq_ctx_new() }).ok_or_else(last_error)?;
        // SAFETY: the context was just made.
        let Some(socket) = NonNull::new(unsafe { zmq_socket(context.as_ptr(), kind) }) else {
            let error = last_error();
            // SAFETY: the context was just made, and has no socket.
            unsafe { zmq_ctx_term(context.as_ptr()) };
            return Err(error);
        };
        let socket = Self {
            context,
            socket,
            flags: if place.spin { DONTWAIT } else { 0 },
        };
        socket.set(RATE, RATE_KILOBITS)?;
        socket.set(RECOVERY_IVL, RECOVERY_MILLISECONDS)?;
        socket.set(LINGER, 0)?;
        Ok(socket)
    }

    fn set(&self, option: c_int, value: c_int) -> io::Result<()> {
        self.set_bytes(option, &value.to_ne_bytes())
    }

    fn set_bytes(&self, option: c_int, value: &[u8]) -> io::Result<()> {
        let (socket, bytes) = (self.socket.as_ptr(), value.as_ptr().cast());
        // SAFETY: the socket is open, and there are so many bytes there.
        check(unsafe { zmq_setsockopt(socket, option, bytes, value.len()) }).map(|_| ())
    }

    /// To send to a group is to connect to it, too.
    fn connect(&self, place: &Place) -> io::Result<()> {
        let endpoint = format!("epgm://{};{}", place.interface, place.group);
        let endpoint = CString::new(endpoint)?;
        // SAFETY: the socket is open, and the text ends with a zero.
        check(unsafe { zmq_connect(self.socket.as_ptr(), endpoint.as_ptr()) })?;
        thread::sleep(OPENING);
        Ok(())
    }
}

impl Sender for Socket {
    fn say(&mut self, line: &[u8]) -> io::Result<()> {
        let (socket, bytes) = (self.socket.as_ptr(), line.as_ptr().cast());
        // SAFETY: the socket is open, and there are so many bytes there.
        check(unsafe { zmq_send(socket, bytes, line.len(), 0) }).map(|_| ())
    }

    fn drive(&mut self, until: Instant) -> io::Result<()> {
        sleep_until(until);
        Ok(())
    }
}

impl Receiver for Socket {
    fn receive(&mut self, until: Instant, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let mut line = [0; MAX_DATAGRAM];
        read_until(until, || {
            let (socket, bytes) = (self.socket.as_ptr(), line.as_mut_ptr().cast());
            // SAFETY: the socket is open, and there is room for so many bytes.
            let length = check(unsafe { zmq_recv(socket, bytes, line.len(), self.flags) })?;
            // The length of a line that is too long is that of the whole.
            sink(&line[..length.min(MAX_DATAGRAM)]);
            Ok(())
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: both are open, and nothing uses them after this.
        unsafe {
            zmq_close(self.socket.as_ptr());
            zmq_ctx_term(self.context.as_ptr());
        }
    }
}

fn check(result: c_int) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| last_error())
}

/// Most of the library's errors are the system's; the others have no text but the library's.
fn last_error() -> io::Error {
    // SAFETY: takes nothing.
    let number = unsafe { zmq_errno() };
    let error = io::Error::from_raw_os_error(number);
    if matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    ) {
        return error;
    }
    // SAFETY: the library has a text for every number, which stays.
    let text = unsafe { CStr::from_ptr(zmq_strerror(number)) };
    io::Error::other(format!("libzmq: {}", text.to_string_lossy()))
}
