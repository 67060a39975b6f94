use std::collections::BTreeSet;

use proptest::prelude::*;

use super::groups::GROUPS_OF_ONE_MAX;
use super::*;
use crate::chat::{
    Avatar, AvatarId, Dialect, GroupName, MemberLimit, MessageText, NewRoom, OneLine, Origin,
    SessionId,
};
use crate::control::Via;
use crate::directory;

const NAMES: [&str; 5] = ["Ann", "Bob", "Cleo", "Dan", "Eve"];

fn address() -> SocketAddr {
    "10.0.0.2:5".parse().unwrap()
}

fn token(client: u64) -> Token {
    Token::from_random(u128::from(client).to_be_bytes())
}

fn text(text: &str) -> MessageText {
    text.parse().unwrap()
}

/// A hub with a directory of three rooms; `small` lets two in.
struct World {
    hub: Hub,
    directory: Directory,
}

impl World {
    fn new(people_max: Option<usize>) -> Self {
        let mut directory = Directory::new(directory::Config {
            rooms_max: 10,
            port_picked: 12000,
            seed: 1,
        });
        for (name, limit) in [("r1", None), ("r2", None), ("small", Some(2))] {
            let new = NewRoom {
                name: name.parse().unwrap(),
                address: None,
                dialect: Dialect::Reliable,
                limit: limit.map(|limit| MemberLimit::new(limit).unwrap()),
                topic: None,
                history: None,
            };
            let origin = Origin {
                name: None,
                address: address(),
            };
            directory.make(new, origin, Timestamp::UNIX_EPOCH).unwrap();
        }
        Self {
            hub: Hub::new(Config {
                people_max,
                lobby_next: 1,
            }),
            directory,
        }
    }

    /// With these people online, as clients 1, 2, 3, …
    fn with(names: &[&str]) -> Self {
        let mut world = Self::new(None);
        for (client, name) in (1..).zip(names) {
            world.hello(client, None);
            world.ask(client, name_request(name)).unwrap();
        }
        world
    }

    fn hello(&mut self, client: u64, resume: Option<u64>) -> Greeted {
        let resume = resume.map(token);
        let client_token = token(client);
        self.hub
            .hello(ClientId(client), address(), client_token, resume)
    }

    fn ask(&mut self, client: u64, request: Request) -> Result<Done, Refusal> {
        self.hub
            .request(ClientId(client), request, &self.directory, now())
    }

    fn told(&mut self, client: u64, request: Request) -> Vec<(Vec<u64>, Event)> {
        told(&self.ask(client, request).unwrap().events)
    }

    fn refused(&mut self, client: u64, request: Request) -> RefusalCode {
        self.ask(client, request).unwrap_err().code
    }

    fn names(&self) -> Vec<String> {
        let names = self.hub.names();
        names.iter().map(ToString::to_string).collect()
    }

    /// Who is in a room of the directory.
    fn occupants(&mut self, room: &RoomName) -> Vec<Occupant> {
        let audience = self.hub.rooms.get_mut(room).map(|circle| circle.audience());
        let clients = audience.iter().flat_map(|audience| audience.iter());
        let seats = clients.filter_map(|client| {
            let seat = self.hub.presence(client)?.seat.as_ref()?;
            Some(Occupant {
                client,
                via: seat.via,
                member: seat.member,
            })
        });
        seats.collect()
    }
}

/// Somebody in a room of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Occupant {
    client: ClientId,
    via: Via,
    member: Option<SessionId>,
}

/// What the server's clock says.
fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn told(events: &[Addressed]) -> Vec<(Vec<u64>, Event)> {
    let told = events.iter().map(|addressed| {
        let to = addressed.to.iter().map(|client| client.0).collect();
        (to, addressed.event.clone())
    });
    told.collect()
}

fn name_request(name: &str) -> Request {
    Request::Name(name.parse().unwrap())
}

fn enter(room: &str) -> Request {
    Request::Enter {
        room: room.parse().unwrap(),
        via: Via::Multicast,
        member: None,
        interface: None,
        name: None,
    }
}

fn say(words: &str) -> Request {
    Request::Say {
        room: RoomName::lobby(),
        text: text(words),
        said_at: None,
    }
}

fn whisper(to: &str) -> Request {
    Request::Whisper {
        to: to.parse().unwrap(),
        text: text("psst"),
    }
}

fn group_set(group: &str, members: &[&str]) -> Request {
    Request::GroupSet {
        group: group.parse().unwrap(),
        members: members.iter().map(|m| m.parse().unwrap()).collect(),
    }
}

fn group_send(words: &str) -> Request {
    Request::GroupSend(text(words))
}

fn user(name: &str) -> UserName {
    name.parse().unwrap()
}

fn group(name: &str) -> GroupName {
    name.parse().unwrap()
}

#[test]
fn a_name_has_one_owner_and_all_others_hear_who_comes_and_goes() {
    let mut world = World::with(&["Ann"]);
    world.hello(2, None);
    world.hello(3, None);
    assert_eq!(
        world.refused(2, name_request("ANN")),
        RefusalCode::NameInUse
    );
    assert_eq!(
        world.told(2, name_request("Bob")),
        [
            (vec![2], Event::Welcome(user("Bob"))),
            (vec![1], Event::Joined(user("Bob"))),
        ]
    );
    assert_eq!(
        world.told(2, name_request("Bo")),
        [(
            vec![1],
            Event::Renamed {
                before: user("Bob"),
                name: user("Bo")
            }
        )]
    );
    assert_eq!(world.told(2, name_request("Bo")), []);
    assert_eq!(world.told(2, name_request("BO")).len(), 1);
    assert_eq!(world.names(), ["Ann", "BO"]);
    let events = world.hub.gone(ClientId(2), now());
    assert_eq!(told(&events), [(vec![1], Event::Exited(user("BO")))]);
    assert_eq!(world.hub.gone(ClientId(3), now()), []);
    world.hello(4, None);
    world.ask(4, name_request("Bob")).unwrap();
    for reserved in ["names", "Quit", "group", "lobby", "Server"] {
        let code = world.refused(4, name_request(reserved));
        assert_eq!(code, RefusalCode::NameNotAllowed);
    }
}

#[test]
fn without_a_name_nobody_speaks_and_everybody_may_ask_who_is_there() {
    let mut world = World::with(&["Ann"]);
    world.hello(2, None);
    for request in [
        enter("lobby"),
        enter("r1"),
        say("hi"),
        whisper("Ann"),
        group_set("dinner", &["Ann"]),
        group_send("hi"),
        Request::GroupLeave(group("dinner")),
        Request::GroupDelete(group("dinner")),
        Request::Groups,
        Request::Follow("@ann".parse().unwrap()),
        Request::Following,
        Request::Away(None),
    ] {
        assert_eq!(world.refused(2, request), RefusalCode::NameFirst);
    }
    let topic_setter = world.hub.topic_setter(ClientId(2), &"r1".parse().unwrap());
    assert_eq!(topic_setter.unwrap_err().code, RefusalCode::NameFirst);
    let names = world.ask(2, Request::Names).unwrap().reply;
    let ann = Reply::Names {
        names: vec![user("Ann")],
        avatars: Vec::new(),
    };
    assert_eq!(names, ann);
}

#[test]
fn as_many_are_online_as_the_server_lets_in() {
    let mut world = World::new(Some(1));
    world.hello(1, None);
    world.hello(2, None);
    world.ask(1, name_request("Ann")).unwrap();
    let refusal = world.ask(2, name_request("Bob")).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::RoomFull);
    assert_eq!(
        refusal.text,
        "The server rejects the join request. The chatroom has reached its maximum capacity."
    );
    // That nobody else is let in comes before that the name is taken.
    assert_eq!(world.refused(2, name_request("Ann")), RefusalCode::RoomFull);
    world.ask(1, name_request("Anna")).unwrap();
    world.hub.gone(ClientId(1), now());
    world.ask(2, name_request("Bob")).unwrap();
}

#[test]
fn the_lobby_hears_who_is_in_it_and_what_they_say() {
    let mut world = World::with(&["Ann", "Bob", "Cleo"]);
    assert_eq!(world.refused(1, say("hi")), RefusalCode::EnterFirst);
    assert_eq!(world.told(1, enter("Lobby")), [(vec![], entered("Ann", 1))]);
    assert_eq!(
        world.told(2, enter("lobby")),
        [(vec![1], entered("Bob", 2))]
    );
    assert_eq!(world.told(2, enter("lobby")), []);
    let said = world.told(1, say("hi"));
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].0, [1, 2]);
    assert!(matches!(&said[0].1, Event::Line { from, .. } if from == "Ann"));
    let left = Event::Left {
        room: RoomName::lobby(),
        name: user("Bob"),
        at: now(),
        number: 4,
    };
    let events = world.hub.gone(ClientId(2), now());
    assert_eq!(
        told(&events),
        [(vec![1], left), (vec![1, 3], Event::Exited(user("Bob")))]
    );
    let elsewhere = |room: &str| Request::Say {
        room: room.parse().unwrap(),
        text: text("hi"),
        said_at: None,
    };
    assert_eq!(world.refused(1, elsewhere("r1")), RefusalCode::NotRelayed);
    assert_eq!(world.refused(1, elsewhere("r9")), RefusalCode::NoSuchRoom);
}

fn entered(name: &str, number: u64) -> Event {
    Event::Entered {
        room: RoomName::lobby(),
        name: user(name),
        at: now(),
        number,
    }
}

#[test]
fn a_room_has_its_limit_and_a_client_is_in_one_room() {
    let mut world = World::with(&["Ann", "Bob", "Cleo"]);
    world.ask(1, enter("small")).unwrap();
    world.ask(2, enter("SMALL")).unwrap();
    world.ask(2, enter("small")).unwrap();
    assert_eq!(world.refused(3, enter("small")), RefusalCode::RoomFull);
    assert_eq!(world.refused(3, enter("nowhere")), RefusalCode::NoSuchRoom);
    world.ask(3, enter("lobby")).unwrap();
    world.ask(1, enter("r1")).unwrap();
    world.ask(3, enter("small")).unwrap();
    world
        .ask(3, Request::Leave("small".parse().unwrap()))
        .unwrap();
    world.ask(1, enter("small")).unwrap();
    let Reply::Report(online) = world.ask(1, Request::Report).unwrap().reply else {
        panic!("no report");
    };
    let rooms: Vec<_> = online.iter().map(|o| o.room.clone().unwrap()).collect();
    assert_eq!(
        rooms,
        ["small", "small", "lobby"].map(|r| r.parse().unwrap())
    );
    assert_eq!(online[2].via, Some(Via::Relay));
    world.hub.room_deleted(&"small".parse().unwrap());
    assert_eq!(world.hub.report()[0].room, None);
}

#[test]
fn the_occupants_of_a_room_are_known_with_their_sessions() {
    let mut world = World::with(&["Ann", "Bob", "Cleo"]);
    let room: RoomName = "r1".parse().unwrap();
    let enter = |via, member| Request::Enter {
        room: "r1".parse().unwrap(),
        via,
        member,
        interface: None,
        name: None,
    };
    world.ask(1, enter(Via::Multicast, None)).unwrap();
    let session = Some(SessionId(7));
    world.ask(3, enter(Via::Multicast, session)).unwrap();
    world.ask(3, enter(Via::Relay, session)).unwrap();
    let occupant = |client, via, member| Occupant {
        client: ClientId(client),
        via,
        member,
    };
    assert_eq!(
        world.occupants(&room),
        [
            occupant(1, Via::Multicast, None),
            occupant(3, Via::Relay, session)
        ]
    );
    assert_eq!(world.occupants(&RoomName::lobby()), []);
}

#[test]
fn a_whisper_has_one_reader_and_tells_of_who_is_away() {
    let mut world = World::with(&["Ann", "Bob", "Cleo"]);
    let whispered = Event::Whisper {
        from: user("Ann"),
        text: text("psst"),
    };
    assert_eq!(world.told(1, whisper("bob")), [(vec![2], whispered)]);
    let refusal = world.ask(1, whisper("Zoe")).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::NotOnline);
    assert_eq!(refusal.text, "Zoe is not online: @names lists who is");
    let reason: OneLine = "at lunch".parse().unwrap();
    world.ask(2, Request::Away(Some(reason))).unwrap();
    let notice = Event::Notice("Bob is away: at lunch".into());
    assert_eq!(world.told(1, whisper("Bob"))[1], (vec![1], notice));
    world.ask(2, Request::Away(None)).unwrap();
    assert_eq!(world.told(1, whisper("Bob")).len(), 1);
}

#[test]
fn a_group_speaks_to_its_members_and_ends_with_the_last() {
    let mut world = World::with(&["Ann", "Bob", "Cleo"]);
    let enrolled = Event::Enrolled {
        group: group("dinner"),
        by: user("Ann"),
    };
    let set = group_set("dinner", &["Bob", "Cleo", "bob"]);
    assert_eq!(world.told(1, set), [(vec![2, 3], enrolled)]);
    assert_eq!(world.refused(1, group_send("hi")), RefusalCode::NotAMember);
    let code = world.refused(1, group_set("DINNER", &["Ann"]));
    assert_eq!(code, RefusalCode::GroupExists);
    let refusal = world.ask(1, group_set("tea", &["Bob", "Zoe"])).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::NotOnline);
    assert!(refusal.text.contains("Zoe"));

    let line = |words: &str, group_name: &str| Event::GroupLine {
        group: group(group_name),
        from: user("Bob"),
        text: text(words),
    };
    let heard = |event| [(vec![3], event)];
    assert_eq!(
        world.told(2, group_send("hi all")),
        heard(line("hi all", "dinner"))
    );
    assert_eq!(
        world.told(2, group_send("Dinner at six")),
        heard(line("at six", "dinner"))
    );
    assert_eq!(
        world.refused(2, group_send("dinner")),
        RefusalCode::TextNotAllowed
    );
    world.ask(1, group_set("tea", &["Bob", "Cleo"])).unwrap();
    let refusal = world.ask(2, group_send("hi all")).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::WhichGroup);
    assert!(refusal.text.ends_with("dinner, tea"), "{}", refusal.text);
    assert_eq!(
        world.told(2, group_send("tea at six")),
        heard(line("at six", "tea"))
    );

    let code = world.refused(1, Request::GroupDelete(group("tea")));
    assert_eq!(code, RefusalCode::NotAMember);
    let code = world.refused(2, Request::GroupLeave(group("cake")));
    assert_eq!(code, RefusalCode::NoSuchGroup);
    let left = Event::GroupLeft {
        group: group("tea"),
        by: user("Bob"),
    };
    assert_eq!(
        world.told(2, Request::GroupLeave(group("tea"))),
        heard(left)
    );
    let last = world.ask(3, Request::GroupLeave(group("tea"))).unwrap();
    assert_eq!(last.changes[0].after, None);
    let deleted = Event::GroupDeleted {
        group: group("dinner"),
        by: user("Bob"),
    };
    assert_eq!(
        world.told(2, Request::GroupDelete(group("dinner"))),
        heard(deleted)
    );
    let groups = world.ask(2, Request::Groups).unwrap().reply;
    assert_eq!(groups, Reply::Groups(vec![]));
}

#[test]
fn a_group_knows_who_was_renamed_and_who_is_away_from_the_network() {
    let mut world = World::with(&["Ann", "Bob", "Cleo"]);
    world.ask(1, group_set("tea", &["Ann", "Bob"])).unwrap();
    let done = world.ask(2, name_request("Bo")).unwrap();
    assert_eq!(
        done.changes[0].after.as_ref().unwrap().members,
        [user("Ann"), user("Bo")]
    );
    assert_eq!(world.told(1, group_send("hi"))[0].0, [2]);
    world.hub.gone(ClientId(2), now());
    assert!(world.told(1, group_send("hi"))[0].0.is_empty());
    // Not online, but known.
    world.ask(3, group_set("cake", &["Bo"])).unwrap();
}

#[test]
fn nobody_is_in_more_groups_than_may_be_renamed_at_once() {
    let mut world = World::with(&["Ann", "Bob"]);
    for number in 0..GROUPS_OF_ONE_MAX {
        let set = group_set(&format!("team{number}"), &["Ann"]);
        world.ask(1, set).unwrap();
    }
    let full = |world: &mut World, client, request| {
        assert_eq!(world.refused(client, request), RefusalCode::TooManyGroups);
    };
    full(&mut world, 1, group_set("onemore", &["Ann"]));
    full(&mut world, 2, group_set("onemore", &["Bob", "Ann"]));
    world.ask(1, name_request("Zoe")).unwrap();
    world.ask(2, group_set("other", &["Bob"])).unwrap();
    // Together they would be in too many.
    world.hub.gone(ClientId(2), now());
    full(&mut world, 1, name_request("Bob"));
    world.ask(1, Request::GroupLeave(group("team0"))).unwrap();
    world.ask(1, name_request("Bob")).unwrap();
    check(&world.hub);
}

#[test]
fn a_room_that_could_not_be_deleted_has_its_people_again() {
    let mut world = World::with(&["Ann", "Bob", "Cleo"]);
    let (r1, r2) = ("r1".parse().unwrap(), "r2".parse().unwrap());
    for client in 1..=3 {
        world.ask(client, enter("r1")).unwrap();
    }
    let before = world.occupants(&r1);
    assert_eq!(before.len(), 3);
    let seats = world.hub.room_deleted(&r1);
    assert_eq!(world.occupants(&r1), []);
    // One of them is elsewhere meanwhile.
    world.ask(3, enter("r2")).unwrap();
    world.hub.restore_seats(seats);
    assert_eq!(world.occupants(&r1), before[..2]);
    assert_eq!(world.occupants(&r2).len(), 1);
    check(&world.hub);
}

#[test]
fn a_group_that_could_not_be_saved_is_taken_back() {
    let mut world = World::with(&["Ann", "Bob"]);
    let mut changes = world
        .ask(1, group_set("tea", &["Ann", "Bob"]))
        .unwrap()
        .changes;
    changes.extend(
        world
            .ask(2, Request::GroupLeave(group("tea")))
            .unwrap()
            .changes,
    );
    changes.extend(
        world
            .ask(1, Request::GroupDelete(group("tea")))
            .unwrap()
            .changes,
    );
    world.hub.undo(changes.pop().unwrap());
    assert_eq!(world.refused(2, group_send("hi")), RefusalCode::NotAMember);
    world.hub.undo(changes.pop().unwrap());
    assert_eq!(world.told(2, group_send("hi"))[0].0, [1]);
    world.hub.undo(changes.pop().unwrap());
    assert_eq!(world.refused(1, group_send("hi")), RefusalCode::NotAMember);
    check(&world.hub);
}

#[test]
fn a_follower_hears_of_people_and_words_in_rooms_it_is_not_in() {
    let mut world = World::with(&["Ann", "Bob", "Cleo"]);
    let follow = |what: &str| Request::Follow(what.parse().unwrap());
    for what in ["@ann", "cake"] {
        world.ask(2, follow(what)).unwrap();
    }
    world.ask(1, follow("cake")).unwrap();
    world.ask(1, enter("lobby")).unwrap();
    let followers = |world: &World, room: &str, from: &str, words: &str| {
        let heard = world
            .hub
            .overheard(&room.parse().unwrap(), from, &text(words));
        heard.map_or(vec![], |a| told(&[a])[0].0.clone())
    };
    // One line comes once, though it is followed for two reasons; never one's own.
    assert_eq!(world.told(1, say("CAKE!"))[1].0, [2]);
    assert_eq!(followers(&world, "r1", "ANN", "hi"), [2]);
    assert_eq!(followers(&world, "r1", "another program", "a cake"), [1, 2]);
    assert!(followers(&world, "r1", "Cleo", "cakes").is_empty());
    world.ask(2, enter("r1")).unwrap();
    assert!(followers(&world, "r1", "Ann", "cake").is_empty());
    assert_eq!(followers(&world, "r2", "Ann", "tea"), [2]);
    world
        .ask(2, Request::Unfollow("@Ann".parse().unwrap()))
        .unwrap();
    assert!(followers(&world, "r2", "Ann", "tea").is_empty());
    assert_eq!(
        world.ask(2, Request::Following).unwrap().reply,
        Reply::Following(vec!["cake".parse().unwrap()])
    );
    for n in 0..63 {
        world.ask(2, follow(&format!("word{n}"))).unwrap();
    }
    let code = world.refused(2, follow("onemore"));
    assert_eq!(code, RefusalCode::TooManyFollowed);
    world.ask(2, follow("cake")).unwrap();
}

#[test]
fn a_broken_connection_is_taken_over_and_nobody_is_told() {
    let mut world = World::with(&["Ann", "Bob"]);
    world.ask(1, enter("lobby")).unwrap();
    world.ask(1, enter("small")).unwrap();
    world
        .ask(1, Request::Follow("cake".parse().unwrap()))
        .unwrap();
    world
        .ask(1, Request::Away(Some("back soon".parse().unwrap())))
        .unwrap();
    world.ask(2, group_set("tea", &["Ann", "Bob"])).unwrap();
    let before = world.hub.report();
    assert_eq!(
        world.hello(9, Some(1)),
        Greeted {
            resumed: Some(user("Ann")),
            replaced: Some(ClientId(1)),
        }
    );
    assert_eq!(world.hub.report(), before);
    assert_eq!(world.hub.gone(ClientId(1), now()), []);
    assert_eq!(world.told(2, whisper("Ann"))[0].0, [9]);
    assert_eq!(world.told(2, group_send("hi"))[0].0, [9]);
    world.ask(2, enter("lobby")).unwrap();
    assert_eq!(world.told(2, say("hi"))[0].0, [2, 9]);
    let overheard = world
        .hub
        .overheard(&"r2".parse().unwrap(), "Bob", &text("cake"));
    assert_eq!(told(&overheard.into_iter().collect::<Vec<_>>())[0].0, [9]);
    // The token was good once; what nobody knows is passed over.
    for resume in [1, 77] {
        let greeted = world.hello(10, Some(resume));
        assert_eq!((greeted.resumed, greeted.replaced), (None, None));
    }
    // Who is online already takes no other's place, and nobody its own.
    assert_eq!(world.hello(2, Some(9)).resumed, None);
    assert_eq!(world.hello(10, Some(10)).resumed, None);
    assert_eq!(world.names(), ["Ann", "Bob"]);
    check(&world.hub);
}

#[test]
fn a_topic_is_told_to_those_in_the_room() {
    let mut world = World::with(&["Ann", "Bob", "Cleo"]);
    let room: RoomName = "r1".parse().unwrap();
    let by = world.hub.topic_setter(ClientId(1), &room).unwrap();
    assert_eq!(world.hub.topic_set(room.clone(), None, by.clone()), None);
    world.ask(2, enter("r1")).unwrap();
    let event = world.hub.topic_set(room, None, by).unwrap();
    assert_eq!(told(&[event])[0].0, [2]);
    let lobby = world.hub.topic_setter(ClientId(1), &RoomName::lobby());
    assert_eq!(lobby.unwrap_err().code, RefusalCode::NoSuchRoom);
}

/// What must hold whatever was asked.
fn check(hub: &Hub) {
    let online: BTreeSet<ClientId> = hub.online.iter().collect();
    let present = |id: &ClientId| hub.presence(*id).is_some();
    assert!(online.iter().all(present));
    assert_eq!(online.len(), hub.by_name.len());
    assert_eq!(online.len(), hub.by_coming.len());
    let presences = hub.clients.values().filter(|c| c.presence.is_some());
    assert_eq!(online.len(), presences.count());
    for (key, id) in &hub.by_name {
        assert_eq!(hub.name_of(*id).unwrap().key(), *key);
    }
    assert!(hub.by_coming.values().all(|id| online.contains(id)));
    assert!(hub.lobby.iter().all(|id| online.contains(&id)));
    assert!(hub.follows.clients().all(|id| online.contains(&id)));
    for (room, circle) in &hub.rooms {
        assert!(circle.len() > 0);
        for id in circle.iter() {
            let seat = hub.presence(id).unwrap().seat.as_ref();
            assert_eq!(seat.unwrap().room, *room);
        }
    }
    for id in &online {
        if let Some(seat) = &hub.presence(*id).unwrap().seat {
            assert!(hub.rooms[&seat.room].contains(*id));
        }
    }
    assert!(hub.greeted.iter().eq(hub.clients.keys().copied()));
    for (token, id) in &hub.by_token {
        assert_eq!(hub.clients[id].token, *token);
    }
    assert_eq!(hub.by_token.len(), hub.clients.len());
    hub.groups.check();
}

#[derive(Clone, Debug)]
enum Step {
    Hello(u64, Option<u64>),
    Gone(u64),
    Ask(u64, Request),
    RoomDeleted(&'static str),
}

fn any_request() -> impl Strategy<Value = Request> {
    let name = || proptest::sample::select(&NAMES[..]).prop_map(user);
    let room = || {
        proptest::sample::select(&["lobby", "r1", "r2", "small", "none"][..])
            .prop_map(|room| room.parse().unwrap())
    };
    let group_name = || proptest::sample::select(&["tea", "cake"][..]).prop_map(group);
    let what = || {
        proptest::sample::select(&["@Ann", "@Bob", "word"][..])
            .prop_map(|what| what.parse().unwrap())
    };
    let of_people = prop_oneof![
        4 => name().prop_map(Request::Name),
        4 => room().prop_map(|room| Request::Enter { room, via: Via::Relay, member: None, interface: None, name: None }),
        1 => room().prop_map(Request::Leave),
        1 => room().prop_map(|room| Request::Say { room, text: text("a word"), said_at: None }),
        1 => name().prop_map(|to| Request::Whisper { to, text: text("a word") }),
        1 => what().prop_map(Request::Follow),
        1 => what().prop_map(Request::Unfollow),
        1 => Just(Request::Away(None)),
        1 => Just(Request::Report),
    ];
    let of_groups = prop_oneof![
        (group_name(), proptest::collection::vec(name(), 1..4))
            .prop_map(|(group, members)| Request::GroupSet { group, members }),
        Just(group_send("tea now")),
        group_name().prop_map(Request::GroupLeave),
        group_name().prop_map(Request::GroupDelete),
    ];
    prop_oneof![3 => of_people, 1 => of_groups]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0u64..6, proptest::option::of(0u64..6)).prop_map(|(c, r)| Step::Hello(c, r)),
        1 => (0u64..6).prop_map(Step::Gone),
        12 => (0u64..6, any_request()).prop_map(|(c, r)| Step::Ask(c, r)),
        1 => proptest::sample::select(&["r1", "small"][..]).prop_map(Step::RoomDeleted),
    ]
}

proptest! {
    #[test]
    fn whatever_is_asked_the_hub_agrees_with_itself(
        steps in proptest::collection::vec(any_step(), 0..80),
        undone in any::<bool>(),
    ) {
        let mut world = World::new(Some(4));
        for step in steps {
            let events = match step {
                Step::Hello(client, resume) => {
                    world.hello(client, resume);
                    Vec::new()
                }
                Step::Gone(client) => world.hub.gone(ClientId(client), now()),
                Step::Ask(client, request) => match world.ask(client, request) {
                    Ok(done) => {
                        if undone {
                            done.changes.into_iter().rev().for_each(|c| world.hub.undo(c));
                        }
                        done.events
                    }
                    Err(_) => Vec::new(),
                },
                Step::RoomDeleted(room) => {
                    world.hub.room_deleted(&room.parse().unwrap());
                    Vec::new()
                }
            };
            check(&world.hub);
            for addressed in events {
                for client in addressed.to.iter() {
                    prop_assert!(world.hub.presence(client).is_some(), "{:?}", addressed.event);
                }
            }
            prop_assert!(world.hub.online.len() <= 4);
            let small = world.hub.rooms.get(&"small".parse().unwrap());
            prop_assert!(small.is_none_or(|circle| circle.len() <= 2));
        }
    }
}

#[test]
fn a_picture_belongs_to_a_name_and_goes_along_with_who_has_it() {
    let mut world = World::with(&["Ann", "Bob"]);
    let picture = |bytes: &'static [u8]| Some(bytes::Bytes::from_static(bytes));
    let (first, second) = (AvatarId::of(b"1"), AvatarId::of(b"2"));
    let avatar = |name: &str, avatar| Event::Avatar {
        name: user(name),
        avatar,
    };
    let done = world.hub.set_avatar(token(1), picture(b"1")).unwrap();
    assert_eq!(
        told(&done.events),
        [(vec![1, 2], avatar("Ann", Some(first)))]
    );
    assert_eq!(done.avatars.len(), 1);
    let Reply::Names { avatars, .. } = world.ask(2, Request::Names).unwrap().reply else {
        panic!("no names");
    };
    assert_eq!(avatars, [(user("Ann"), first)]);
    assert_eq!(world.hub.report()[0].avatar, Some(first));
    assert_eq!(world.hub.avatar(first).unwrap().picture, "1");

    // With a new name it goes along, and is there for who comes under a name.
    let renamed = world.ask(1, name_request("Zoe")).unwrap();
    assert_eq!(renamed.avatars.len(), 2);
    assert_eq!(renamed.events[1].event, avatar("Zoe", Some(first)));
    world.hub.gone(ClientId(1), now());
    world.hello(3, None);
    let came = world.told(3, name_request("ZOE"));
    assert_eq!(came[2], (vec![2, 3], avatar("ZOE", Some(first))));

    // What another has set under a name is not replaced by a renaming.
    world.hub.set_avatar(token(2), picture(b"2")).unwrap();
    world.hub.gone(ClientId(2), now());
    assert_eq!(world.ask(3, name_request("Bob")).unwrap().avatars, []);
    assert_eq!(world.hub.report()[0].avatar, Some(second));

    let cleared = world.hub.set_avatar(token(3), None).unwrap();
    assert_eq!(cleared.events[0].event, avatar("Bob", None));
    let [change] = <[_; 1]>::try_from(cleared.avatars).unwrap();
    assert_eq!(world.hub.avatar(second), None);
    world.hub.undo_avatar(change);
    assert!(world.hub.avatar(second).is_some());
    assert!(world.hub.set_avatar(token(9), None).is_err());
}

#[test]
fn pictures_are_bounded_and_those_of_who_is_not_online_go_first() {
    let mut world = World::with(&["Ann"]);
    let one = || Some(bytes::Bytes::from_static(b"1"));
    world.hub.set_avatar(token(1), one()).unwrap();
    for number in 1..AVATARS_MAX as u64 {
        let avatar = Avatar {
            id: AvatarId::of(&number.to_be_bytes()),
            picture: bytes::Bytes::new(),
            number: number + 1,
        };
        world.hub.restore_avatar(format!("n{number}"), avatar);
    }
    world.hello(2, None);
    world.ask(2, name_request("Bob")).unwrap();
    let done = world.hub.set_avatar(token(2), one()).unwrap();
    let changed = done
        .avatars
        .iter()
        .map(|change| (&*change.key, change.after.is_some()));
    assert!(changed.eq([("n1", false), ("bob", true)]));
}
