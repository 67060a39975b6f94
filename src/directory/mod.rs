//! Which rooms exist. Names and addresses stay unique; a room made without an address gets a free one.
//! Pure: whoever calls says what time it is.

mod free_address;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::chat::{NewRoom, OneLine, Origin, Room, RoomAddress, RoomId, RoomName};
use free_address::EthernetBits;

/// What a directory is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// The most rooms that may exist at once.
    pub rooms_max: usize,
    /// The UDP port of rooms whose address is picked, 1 to 65535.
    pub port_picked: u16,
    /// Where the search for free addresses starts: two servers on one network should differ.
    pub seed: u64,
}

/// Why a room was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MakeRoomError {
    /// Every server has this room already, and it has no address.
    #[error("every server has the room {0} already: choose another name")]
    Lobby(RoomName),
    /// The name is in use.
    #[error("room name {0} is taken: choose another name")]
    NameTaken(RoomName),
    /// The address with this port is in use.
    #[error("{address} is taken by room {room}: choose another address or port")]
    AddressTaken {
        /// What was asked for.
        address: RoomAddress,
        /// Who has it.
        room: RoomName,
    },
    /// No address of 239.255.0.0/16 is free.
    #[error("no free address is left in 239.255.0.0/16: give one, or delete a room")]
    NoFreeAddress,
    /// The limit on rooms is reached.
    #[error("the directory is full ({0} rooms): delete a room first")]
    Full(usize),
}

/// No room has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such room: {0} (getdir lists the rooms)")]
pub struct NoSuchRoom(pub RoomName);

/// The rooms of one server.
#[derive(Debug)]
pub struct Directory {
    config: Config,
    /// In the order of making.
    rooms: BTreeMap<RoomId, Room>,
    by_name: BTreeMap<RoomName, RoomId>,
    by_address: BTreeMap<RoomAddress, RoomId>,
    ethernet_bits: EthernetBits,
    next_id: i64,
}

impl Directory {
    /// An empty directory.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            rooms: BTreeMap::new(),
            by_name: BTreeMap::new(),
            by_address: BTreeMap::new(),
            ethernet_bits: EthernetBits::default(),
            next_id: 1,
        }
    }

    /// Makes a room, at the address that is asked for or at a free one.
    ///
    /// # Errors
    /// Name or address taken, the directory full, or no address free. Nothing has changed then.
    pub fn make(
        &mut self,
        new: NewRoom,
        made_by: Origin,
        made_at: Timestamp,
    ) -> Result<RoomId, MakeRoomError> {
        let NewRoom {
            name,
            address,
            dialect,
            limit,
            topic,
            history,
        } = new;
        if name.is_lobby() {
            return Err(MakeRoomError::Lobby(name));
        }
        if self.by_name.contains_key(&name) {
            return Err(MakeRoomError::NameTaken(name));
        }
        if let Some(address) = address
            && let Some(holder) = self.by_address.get(&address)
        {
            return Err(MakeRoomError::AddressTaken {
                address,
                room: self.rooms[holder].name.clone(),
            });
        }
        if self.rooms.len() >= self.config.rooms_max {
            return Err(MakeRoomError::Full(self.config.rooms_max));
        }
        let address = match address {
            Some(address) => address,
            None => self
                .ethernet_bits
                .free_address(&name, self.config.seed, self.config.port_picked)
                .ok_or(MakeRoomError::NoFreeAddress)?,
        };
        let id = RoomId(self.next_id);
        let room = Room {
            name,
            address,
            dialect,
            limit,
            topic,
            history,
            made_by,
            made_at,
        };
        self.restore(id, room);
        Ok(id)
    }

    /// Puts a room back in its place: one that the store kept, or one whose deletion was not kept.
    /// It must not collide with a room that is there.
    pub fn restore(&mut self, id: RoomId, room: Room) {
        debug_assert!(!self.by_name.contains_key(&room.name));
        self.by_name.insert(room.name.clone(), id);
        self.by_address.insert(room.address, id);
        self.ethernet_bits.take(room.address);
        self.rooms.insert(id, room);
        self.note_used(id);
    }

    /// Ids up to this one were given to rooms, which may be gone: no other room gets them.
    pub fn note_used(&mut self, last: RoomId) {
        self.next_id = self.next_id.max(last.0 + 1);
    }

    /// Takes the room of this name away.
    ///
    /// # Errors
    /// There is none.
    pub fn delete(&mut self, name: &RoomName) -> Result<(RoomId, Room), NoSuchRoom> {
        let id = self
            .by_name
            .remove(name)
            .ok_or_else(|| NoSuchRoom(name.clone()))?;
        let room = self.rooms.remove(&id).expect("the indexes agree");
        self.by_address.remove(&room.address);
        self.ethernet_bits.give_back(room.address);
        Ok((id, room))
    }

    /// Gives the room of this name another topic, or none. Tells which room it is, and the topic that
    /// it had.
    ///
    /// # Errors
    /// There is no such room.
    pub fn set_topic(
        &mut self,
        name: &RoomName,
        topic: Option<OneLine>,
    ) -> Result<(RoomId, Option<OneLine>), NoSuchRoom> {
        let id = self.by_name.get(name);
        let id = *id.ok_or_else(|| NoSuchRoom(name.clone()))?;
        let room = self.rooms.get_mut(&id).expect("the indexes agree");
        Ok((id, std::mem::replace(&mut room.topic, topic)))
    }

    /// The room of this name.
    pub fn find(&self, name: &RoomName) -> Option<&Room> {
        self.by_name.get(name).and_then(|id| self.rooms.get(id))
    }

    /// The id of the room of this name.
    pub fn id_of(&self, name: &RoomName) -> Option<RoomId> {
        self.by_name.get(name).copied()
    }

    /// The room with this id.
    pub fn get(&self, id: RoomId) -> Option<&Room> {
        self.rooms.get(&id)
    }

    /// All rooms with their ids, in the order of making.
    pub fn entries(&self) -> impl Iterator<Item = (RoomId, &Room)> {
        self.rooms.iter().map(|(id, room)| (*id, room))
    }

    /// All rooms in the order of making.
    pub fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.rooms.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Dialect;
    use proptest::prelude::*;

    fn directory(rooms_max: usize) -> Directory {
        Directory::new(Config {
            rooms_max,
            port_picked: 12000,
            seed: 7,
        })
    }

    fn make(
        directory: &mut Directory,
        name: &str,
        address: Option<&str>,
    ) -> Result<RoomId, MakeRoomError> {
        directory.make(
            NewRoom {
                name: name.parse().unwrap(),
                address: address.map(|a| a.parse().unwrap()),
                dialect: Dialect::Plain,
                limit: None,
                topic: None,
                history: None,
            },
            Origin {
                name: None,
                address: "127.0.0.1:5".parse().unwrap(),
            },
            Timestamp::UNIX_EPOCH,
        )
    }

    fn names(directory: &Directory) -> Vec<&str> {
        directory.rooms().map(|r| r.name.as_str()).collect()
    }

    #[test]
    fn names_and_addresses_stay_unique() {
        let mut d = directory(10);
        make(&mut d, "r1", Some("239.1.1.1:6000")).unwrap();
        assert!(matches!(
            make(&mut d, "R1", None),
            Err(MakeRoomError::NameTaken(_))
        ));
        let error = make(&mut d, "r2", Some("239.1.1.1:6000")).unwrap_err();
        assert!(error.to_string().contains("by room r1"), "{error}");
        make(&mut d, "r2", Some("239.1.1.1:6001")).unwrap();
        assert_eq!(names(&d), ["r1", "r2"]);
        d.delete(&"R1".parse().unwrap()).unwrap();
        assert!(d.delete(&"r1".parse().unwrap()).is_err());
        make(&mut d, "r3", Some("239.1.1.1:6000")).unwrap();
        assert_eq!(names(&d), ["r2", "r3"]);
    }

    #[test]
    fn a_room_put_back_has_its_place_again() {
        let mut d = directory(10);
        for name in ["a", "b", "c"] {
            make(&mut d, name, None).unwrap();
        }
        let (id, room) = d.delete(&"b".parse().unwrap()).unwrap();
        d.restore(id, room);
        assert_eq!(names(&d), ["a", "b", "c"]);
    }

    #[test]
    fn an_id_that_was_given_is_not_given_again() {
        let mut d = directory(10);
        d.note_used(RoomId(7));
        assert_eq!(make(&mut d, "a", None), Ok(RoomId(8)));
        d.delete(&"a".parse().unwrap()).unwrap();
        assert_eq!(make(&mut d, "b", None), Ok(RoomId(9)));
    }

    #[test]
    fn the_lobby_is_not_made() {
        let error = make(&mut directory(10), "Lobby", None).unwrap_err();
        assert!(matches!(error, MakeRoomError::Lobby(_)));
    }

    #[test]
    fn a_topic_is_set_and_the_one_before_is_told() {
        let mut d = directory(10);
        let id = make(&mut d, "a", None).unwrap();
        let name = "A".parse().unwrap();
        let tea: OneLine = "tea".parse().unwrap();
        assert_eq!(d.set_topic(&name, Some(tea.clone())), Ok((id, None)));
        assert_eq!(d.find(&name).unwrap().topic, Some(tea.clone()));
        assert_eq!(d.set_topic(&name, None), Ok((id, Some(tea))));
        let other = "b".parse().unwrap();
        assert!(d.find(&other).is_none() && d.set_topic(&other, None).is_err());
    }

    #[test]
    fn a_full_directory_says_so() {
        let mut d = directory(1);
        make(&mut d, "a", None).unwrap();
        assert_eq!(make(&mut d, "b", None), Err(MakeRoomError::Full(1)));
    }

    #[test]
    fn every_picked_address_has_its_own_ethernet_address_until_none_is_left() {
        let mut d = directory(70_000);
        make(&mut d, "shadow", Some("239.127.9.9:6000")).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..65_535 {
            let id = make(&mut d, &format!("r{n}"), None).unwrap();
            let address = d.get(id).unwrap().address;
            assert_eq!(address.group().octets()[..2], [239, 255]);
            assert_ne!(address.ethernet_bits(), 0x7f_0909);
            assert!(seen.insert(address.ethernet_bits()));
        }
        assert_eq!(
            make(&mut d, "one-more", None),
            Err(MakeRoomError::NoFreeAddress)
        );
        d.delete(&"r77".parse().unwrap()).unwrap();
        make(&mut d, "one-more", None).unwrap();
    }

    proptest! {
        #[test]
        fn the_indexes_agree_whatever_is_asked(
            steps in proptest::collection::vec((any::<bool>(), 0u8..6, proptest::option::of(1u16..5)), 0..60)
        ) {
            let mut d = directory(4);
            for (making, name, port) in steps {
                let name = format!("r{name}");
                if making {
                    let address = port.map(|p| format!("239.1.1.1:{p}"));
                    let _ = make(&mut d, &name, address.as_deref());
                } else {
                    let _ = d.delete(&name.parse().unwrap());
                }
                prop_assert!(d.rooms.len() <= 4);
                prop_assert_eq!(d.rooms.len(), d.by_name.len());
                prop_assert_eq!(d.rooms.len(), d.by_address.len());
                for (id, room) in &d.rooms {
                    prop_assert_eq!(d.by_name[&room.name], *id);
                    prop_assert_eq!(d.by_address[&room.address], *id);
                }
            }
        }
    }
}
