//! Who is in a room and how it is doing, as lines to read.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Zoned};

use super::render::columns;
use crate::chat::{BitRate, Dialect, UserName, printable};
use crate::client::{Online, RoomMember, RoomStats, Traffic};

/// The members as aligned columns; `with_avatar` tells who has a picture on the page, where a server tells that.
pub(super) fn who_lines(members: &[RoomMember], with_avatar: &[UserName]) -> Vec<String> {
    if members.is_empty() {
        return vec!["Nobody else is here.".to_owned()];
    }
    let heading = [
        "NAME",
        "ADDRESS",
        "BY",
        "SINCE",
        "ROUND TRIP",
        "LOSS",
        "AVATAR",
    ];
    let heading = heading.map(String::from);
    let now = Zoned::now();
    let rows = members.iter().map(|member| {
        let there_for = SignedDuration::try_from(member.there_for).unwrap_or_default();
        let since = now.checked_sub(there_for).unwrap_or_else(|_| now.clone());
        [
            printable(&member.name).into_owned(),
            member.address.to_string(),
            way(member.is_relayed).to_owned(),
            since.strftime("%H:%M:%S").to_string(),
            member.round_trip.map_or("-".to_owned(), milliseconds),
            percent(worse(member.loss_here, member.loss_there)),
            avatar_mark(with_avatar.iter().any(|name| name.as_str() == member.name)),
        ]
    });
    columns(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
}

/// Who is on the server as aligned columns.
pub(super) fn online_lines(online: &[Online]) -> Vec<String> {
    if online.is_empty() {
        return vec!["Nobody is here.".to_owned()];
    }
    let heading = ["NAME", "ADDRESS", "SINCE", "ROOM", "VIA", "AVATAR", "AWAY"];
    let heading = heading.map(String::from);
    let dash = || "-".to_owned();
    let rows = online.iter().map(|one| {
        let since = one.since.to_zoned(TimeZone::system());
        [
            one.name.to_string(),
            one.address.to_string(),
            since.strftime("%H:%M:%S").to_string(),
            one.room.as_ref().map_or_else(dash, ToString::to_string),
            one.via.map_or_else(dash, |via| via.as_str().to_owned()),
            avatar_mark(one.avatar.is_some()),
            one.away
                .as_ref()
                .map_or_else(dash, |away| printable(away.as_str()).into_owned()),
        ]
    });
    columns(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
}

fn avatar_mark(has_one: bool) -> String {
    if has_one { "yes" } else { "-" }.to_owned()
}

/// How a room is doing; `room` is its name and address.
pub(super) fn stats_lines(room: &str, dialect: Dialect, stats: &RoomStats) -> Vec<String> {
    let mut lines = vec![
        format!("Room {room} on {}, {dialect}.", stats.interface),
        format!(
            "Said {} in {} datagrams, {} not sent; heard {}, {} not shown; {} datagrams ignored.",
            stats.said,
            stats.sent_datagrams,
            stats.failed_datagrams,
            stats.heard,
            stats.not_shown,
            stats.ignored_datagrams
        ),
    ];
    lines.extend(stats.traffic.iter().flat_map(traffic_lines));
    lines
}

fn traffic_lines(traffic: &Traffic) -> [String; 2] {
    let members = match traffic.members {
        1 => "1 other member".to_owned(),
        n => format!("{n} other members"),
    };
    let rate = match traffic.rate_max {
        Some(rate) => BitRate::from_bytes_per_second(rate).to_string(),
        None => "as fast as the members take it".to_owned(),
    };
    [
        format!(
            "{members}, by {}; round trip {}; {}; pace: {rate}, {} kB on the way at once.",
            way(traffic.is_relayed),
            milliseconds(traffic.round_trip),
            match traffic.loss {
                Some(loss) => format!("loss {}", percent(Some(loss))),
                None => "loss not known yet".to_owned(),
            },
            traffic.window_bytes / 1000,
        ),
        format!(
            "Repairs: asked {} times, got {}, gave {}.",
            traffic.nacks, traffic.recovered_records, traffic.repaired_records
        ),
    ]
}

fn way(is_relayed: bool) -> &'static str {
    if is_relayed { "relay" } else { "multicast" }
}

fn worse(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}

/// Unknown is a dash.
fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
