//! Words that programs know things by.

macro_rules! words {
    ($type:ident, $field:literal: $($variant:ident = $word:literal,)*) => {
        impl $type {
            #[doc = concat!("The words in `\"", $field, "\"`.")]
            pub const NAMES: &[&str] = &[$($word,)*];

            #[doc = concat!("The word in `\"", $field, "\"`.")]
            pub fn as_str(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $word,)* }
            }
        }
    };
}

pub(super) use words;
