//! The directory as text, rendered once for each change and sent many times.

use std::sync::Arc;

use crate::control::{directory_array, plain_words};
use crate::directory::Directory;

/// Which of the directory's forms.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// `OKDIR [...]`
    Line,
    /// `{"r1":{...}}`
    Object,
    /// The array inside a JSON answer.
    Array,
}

/// The directory's forms, each made when it is first asked for and kept until the next change.
#[derive(Default)]
pub(super) struct Rendered([Option<Arc<str>>; 3]);

impl Rendered {
    pub(super) fn get(&mut self, form: Form, directory: &Directory) -> Arc<str> {
        let kept = &mut self.0[form as usize];
        let text = kept.get_or_insert_with(|| {
            let rooms = directory.rooms();
            Arc::from(match form {
                Form::Line => plain_words::directory_line(rooms),
                Form::Object => plain_words::directory_object(rooms),
                Form::Array => directory_array(rooms),
            })
        });
        Arc::clone(text)
    }
}
