//! NORM (RFC 5740), through the system's libnorm. Its protocol runs in a thread of the library.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use super::{End, Ends, FilePeer};

/// Both ends.
pub const ENDS: Ends = Ends::Own { sender, receiver };

type Handle = *const c_void;

#[link(name = "norm")]
unsafe extern "C" {
    fn NormCreateInstance(boost: bool) -> Handle;
    fn NormDestroyInstance(instance: Handle);
    fn NormSetCacheDirectory(instance: Handle, path: *const c_char) -> bool;
    fn NormGetNextEvent(instance: Handle, event: *mut Event, wait: bool) -> bool;
    fn NormCreateSession(
        instance: Handle,
        address: *const c_char,
        port: u16,
        node: NodeId,
    ) -> Handle;
    fn NormSetMulticastInterface(session: Handle, name: *const c_char) -> bool;
    fn NormSetTxRate(session: Handle, bits_a_second: f64);
    fn NormSetCongestionControl(session: Handle, on: bool, adjust: bool);
    fn NormSetGrttEstimate(session: Handle, seconds: f64);
    fn NormSetGroupSize(session: Handle, size: c_uint);
    fn NormSetTxSocketBuffer(session: Handle, bytes: c_uint) -> bool;
    fn NormSetRxSocketBuffer(session: Handle, bytes: c_uint) -> bool;
    fn NormStartSender(
        session: Handle,
        number: u16,
        buffer: u32,
        segment: u16,
        block: u16,
        parity: u16,
        code: u8,
    ) -> bool;
    fn NormSetAutoParity(session: Handle, parity: u8);
    fn NormStartReceiver(session: Handle, buffer: u32) -> bool;
    fn NormAddAckingNode(session: Handle, node: NodeId) -> bool;
    fn NormFileEnqueue(
        session: Handle,
        path: *const c_char,
        info: *const c_char,
        length: c_uint,
    ) -> Handle;
    fn NormSetWatermark(session: Handle, object: Handle, at_once: bool) -> bool;
    fn NormGetAckingStatus(session: Handle, node: NodeId) -> c_int;
    fn NormFileRename(object: Handle, path: *const c_char) -> bool;
}

type NodeId = u32;

/// What the library tells of.
#[repr(C)]
struct Event {
    kind: c_int,
    session: Handle,
    sender: Handle,
    object: Handle,
}

/// Events and an answer, as in normApi.h.
const TX_WATERMARK_COMPLETED: c_int = 4;
const RX_OBJECT_COMPLETED: c_int = 20;
const ACK_SUCCESS: c_int = 3;
const NODE_ANY: NodeId = 0xffff_ffff;

/// A host's number from 1 on is its node's.
fn node(host: usize) -> NodeId {
    host as NodeId + 1
}

const INTERFACE: &CStr = c"eth0";

/// What the library keeps of blocks under way, and asks its sockets for.
const BUFFER: u32 = 64 << 20;
const SOCKET_BUFFER: c_uint = 4 << 20;

/// Bytes of a datagram: with the headers of the library it fills an Ethernet frame, nearly.
const SEGMENT: u16 = 1400;

/// Segments of a block, the parity segments that can be had of it, and how many are sent unasked. With 16 to be had,
/// fewer than are lost of some blocks at 20 %, it takes longer there; some sent unasked would make it faster where
/// there is loss, but are in the way where there is none, and one setting has to do for both.
const BLOCK: u16 = 64;
const PARITY: u16 = 32;
const PARITY_AHEAD: u8 = 0;

/// The round trip that the library starts from, in seconds. The default is 0.25; with much less than this it is
/// slower, for it asks again before an answer can have come.
const ROUND_TRIP: f64 = 0.01;

/// The rate that congestion control starts from, in bits a second.
const FIRST_RATE: f64 = 1e7;

fn sender(peer: &FilePeer, end: &End) -> io::Result<()> {
    let session = Session::new(end)?;
    let handle = session.session;
    let file = c_path(&end.path)?;
    let rate = peer.megabits.map(|megabits| f64::from(megabits) * 1e6);
    // SAFETY: the session was just made, the path ends with a zero, and the rest are numbers.
    unsafe {
        NormSetTxRate(handle, rate.unwrap_or(FIRST_RATE));
        NormSetCongestionControl(handle, peer.adapts, true);
        NormSetGrttEstimate(handle, ROUND_TRIP);
        NormSetGroupSize(handle, end.receivers as c_uint);
        check(NormStartSender(
            handle, 1, BUFFER, SEGMENT, BLOCK, PARITY, 0,
        ))?;
        check(NormSetTxSocketBuffer(handle, SOCKET_BUFFER))?;
        NormSetAutoParity(handle, PARITY_AHEAD);
        for host in 1..=end.receivers {
            check(NormAddAckingNode(handle, node(host)))?;
        }
        let object = NormFileEnqueue(handle, file.as_ptr(), ptr::null(), 0);
        check(!object.is_null())?;
        loop {
            // The library asks a number of times; where an answer was lost each time, it is asked again.
            check(NormSetWatermark(handle, object, false))?;
            while session.next().kind != TX_WATERMARK_COMPLETED {}
            if NormGetAckingStatus(handle, NODE_ANY) == ACK_SUCCESS {
                return Ok(());
            }
        }
    }
}

fn receiver(_: &FilePeer, end: &End) -> io::Result<()> {
    let session = Session::new(end)?;
    let mut folder = end.path.as_os_str().as_bytes().to_vec();
    // The library puts the names of its files behind it as it is.
    folder.push(b'/');
    let folder = CString::new(folder)?;
    let received = c_path(&end.received())?;
    // SAFETY: instance and session were just made, and the paths end with a zero.
    unsafe {
        check(NormSetCacheDirectory(session.instance, folder.as_ptr()))?;
        check(NormStartReceiver(session.session, BUFFER))?;
        check(NormSetRxSocketBuffer(session.session, SOCKET_BUFFER))?;
    }
    loop {
        let event = session.next();
        if event.kind == RX_OBJECT_COMPLETED {
            // SAFETY: the object is the event's, and the path ends with a zero.
            check(unsafe { NormFileRename(event.object, received.as_ptr()) })?;
        }
    }
}

/// A session in an instance of its own.
struct Session {
    instance: Handle,
    session: Handle,
}

impl Session {
    fn new(end: &End) -> io::Result<Self> {
        let group = CString::new(end.group.ip().to_string())?;
        // SAFETY: takes a flag.
        let instance = unsafe { NormCreateInstance(false) };
        check(!instance.is_null())?;
        // From here on it is destroyed in any case.
        let mut made = Self {
            instance,
            session: ptr::null(),
        };
        let (port, node) = (end.group.port(), node(end.host));
        // SAFETY: the instance was just made, and the texts end with a zero.
        unsafe {
            made.session = NormCreateSession(instance, group.as_ptr(), port, node);
            check(!made.session.is_null())?;
            check(NormSetMulticastInterface(made.session, INTERFACE.as_ptr()))?;
        }
        Ok(made)
    }

    /// Waits for the next event; once in a while it is none, which the library says is no failure.
    fn next(&self) -> Event {
        let mut event = Event {
            kind: 0,
            session: ptr::null(),
            sender: ptr::null(),
            object: ptr::null(),
        };
        // SAFETY: the instance is there, and so is room for an event.
        unsafe { NormGetNextEvent(self.instance, &raw mut event, true) };
        event
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: nothing uses it after this; its session goes with it.
        unsafe { NormDestroyInstance(self.instance) };
    }
}

fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// The library does not say why something cannot be done; what it prints does.
fn check(done: bool) -> io::Result<()> {
    match done {
        true => Ok(()),
        false => Err(io::Error::other("libnorm refused")),
    }
}
