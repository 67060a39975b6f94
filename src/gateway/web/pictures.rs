//! Pictures are read and written anew: smaller, and without whatever else stands in them. What is read is a stranger's,
//! and is read by others' code: so within limits, and on threads of its own that may fail alone.

use std::io::{BufRead, Cursor, Seek};
use std::sync::Arc;
use std::thread;

use axum::http::StatusCode;
use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use tokio::sync::{Semaphore, oneshot};

use super::content::Content;
use super::refusal::Refused;
use crate::server::EXPENDABLE_THREAD;

/// Pictures that are worked on at a time.
const AT_ONCE_MAX: usize = 2;

/// The largest picture that is read, in pixels: what a good telephone takes. It bounds the memory: while a picture of
/// this size is read, some hundreds of megabytes.
const PIXELS_MAX: u64 = 50_000_000;

/// The longest side, in pixels.
const SIDE_MAX: u32 = 32_768;

/// What a picture may take when it is read, in bytes.
const DECODED_BYTES_MAX: u64 = 4 * PIXELS_MAX;

/// The longest file that is read, in bytes.
pub(super) const SOURCE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How well a picture without transparency is written, of 100.
const JPEG_QUALITY: u8 = 82;

/// What becomes of a picture.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// No side is longer, in pixels.
    Within(u32),
    /// The middle of it, with sides of this length: for avatars.
    Square(u32),
}

/// A picture that was written here.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) content: Content,
    pub(super) bytes: Bytes,
}

/// Where pictures wait for their turn.
#[derive(Debug)]
pub(super) struct Pictures {
    turns: Arc<Semaphore>,
}

/// This is no picture that can be read.
#[derive(Debug, thiserror::Error)]
enum PictureError {
    #[error("this is no picture that can be shown: take a PNG, JPEG, GIF or WebP")]
    Other,
    #[error("the picture is too large: at most {PIXELS_MAX} pixels, {SIDE_MAX} along a side")]
    TooLarge,
    #[error("the picture is damaged: {0}")]
    Damaged(ImageError),
}

impl Default for Pictures {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE_MAX)),
        }
    }
}

impl Pictures {
    /// Waits for its turn, and unless `made` has it by then, makes a picture.
    ///
    /// # Errors
    /// It is none that can be read.
    pub(super) async fn make(
        &self,
        source: impl BufRead + Seek + Send + 'static,
        content: Content,
        shape: Shape,
        made: impl FnOnce() -> Option<Picture>,
    ) -> Result<Picture, Refused> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        if let Some(made) = made() {
            return Ok(made);
        }
        let (answer, answered) = oneshot::channel();
        let thread = thread::Builder::new().name(EXPENDABLE_THREAD.to_owned());
        let started = thread.spawn(move || {
            // Also where nobody waits for it any more, it takes as much memory.
            let _turn = turn;
            // Who has gone needs no picture.
            let _ = answer.send(remade(source, content, shape));
        });
        let result = match started {
            Ok(_) => answered.await,
            Err(error) => {
                tracing::warn!("No thread for a picture: {error}");
                let text = "the server is busy: try again later";
                return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, "busy", text));
            }
        };
        // A thread that did not answer has failed over the picture.
        let result = result.unwrap_or(Err(PictureError::Other));
        result.map_err(|error| {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            Refused::new(status, "no-picture", error.to_string())
        })
    }
}

fn remade(
    source: impl BufRead + Seek,
    content: Content,
    shape: Shape,
) -> Result<Picture, PictureError> {
    let format = match content {
        Content::Png => ImageFormat::Png,
        Content::Jpeg => ImageFormat::Jpeg,
        Content::Gif => ImageFormat::Gif,
        Content::Webp => ImageFormat::WebP,
        Content::Text | Content::Other => return Err(PictureError::Other),
    };
    let picture = read(source, format)?;
    let picture = match shape {
        Shape::Within(side) if picture.width().max(picture.height()) <= side => picture,
        Shape::Within(side) => picture.thumbnail(side, side),
        Shape::Square(side) => square(&picture, side),
    };
    written(&picture).map_err(PictureError::Damaged)
}

/// Reads a picture the right way up; of one that moves, its beginning.
fn read(source: impl BufRead + Seek, format: ImageFormat) -> Result<DynamicImage, PictureError> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(DECODED_BYTES_MAX);
    let mut reader = ImageReader::with_format(source, format);
    reader.limits(limits);
    let refused = |error| match error {
        ImageError::Limits(_) => PictureError::TooLarge,
        error => PictureError::Damaged(error),
    };
    let mut decoder = reader.into_decoder().map_err(refused)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > PIXELS_MAX || decoder.total_bytes() > DECODED_BYTES_MAX {
        return Err(PictureError::TooLarge);
    }
    let orientation = decoder.orientation();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(refused)?;
    if let Ok(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    Ok(picture)
}

fn square(picture: &DynamicImage, side: u32) -> DynamicImage {
    let (width, height) = (picture.width(), picture.height());
    let shorter = width.min(height);
    let (x, y) = ((width - shorter) / 2, (height - shorter) / 2);
    let middle = picture.crop_imm(x, y, shorter, shorter);
    // First to about the size, which is fast, then well.
    let middle = match shorter > 4 * side {
        true => middle.thumbnail_exact(2 * side, 2 * side),
        false => middle,
    };
    middle.resize_exact(side, side, image::imageops::FilterType::Triangle)
}

/// One with something transparent in it as PNG, any other as JPEG.
fn written(picture: &DynamicImage) -> Result<Picture, ImageError> {
    let mut bytes = Vec::new();
    let with_alpha = picture.color().has_alpha().then(|| picture.to_rgba8());
    let content = match with_alpha {
        Some(picture) if picture.pixels().any(|pixel| pixel.0[3] < u8::MAX) => {
            picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)?;
            Content::Png
        }
        _ => {
            let encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
            picture.to_rgb8().write_with_encoder(encoder)?;
            Content::Jpeg
        }
    };
    let bytes = bytes.into();
    Ok(Picture { content, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage, Rgba, RgbaImage};

    fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        let picture: DynamicImage = picture.into();
        picture
            .write_to(&mut Cursor::new(&mut bytes), format)
            .unwrap();
        bytes
    }

    fn remake(bytes: Vec<u8>, shape: Shape) -> Result<(Content, u32, u32), PictureError> {
        let content = Content::of(&bytes, true);
        let picture = remade(Cursor::new(bytes), content, shape)?;
        let read = image::load_from_memory(&picture.bytes).unwrap();
        Ok((picture.content, read.width(), read.height()))
    }

    #[test]
    fn a_picture_of_any_kind_becomes_smaller() {
        let wide = RgbImage::from_fn(1280, 320, |x, y| Rgb([x as u8, y as u8, 7]));
        for format in [
            ImageFormat::Png,
            ImageFormat::Jpeg,
            ImageFormat::Gif,
            ImageFormat::WebP,
        ] {
            let bytes = encoded(wide.clone(), format);
            let within = remake(bytes.clone(), Shape::Within(640)).unwrap();
            assert_eq!(within, (Content::Jpeg, 640, 160), "{format:?}");
            let square = remake(bytes, Shape::Square(128)).unwrap();
            assert_eq!(square, (Content::Jpeg, 128, 128), "{format:?}");
        }
        let small = encoded(RgbImage::new(3, 2), ImageFormat::Png);
        assert_eq!(
            remake(small.clone(), Shape::Within(640)).unwrap(),
            (Content::Jpeg, 3, 2)
        );
        assert_eq!(
            remake(small, Shape::Square(128)).unwrap(),
            (Content::Jpeg, 128, 128)
        );
        // So long that a side of it would become nothing.
        let line = encoded(RgbImage::new(20_000, 1), ImageFormat::Png);
        assert_eq!(
            remake(line.clone(), Shape::Within(640)).unwrap(),
            (Content::Jpeg, 640, 1)
        );
        assert_eq!(
            remake(line, Shape::Square(128)).unwrap(),
            (Content::Jpeg, 128, 128)
        );
    }

    #[test]
    fn what_is_transparent_stays_so() {
        let glass = RgbaImage::from_pixel(700, 700, Rgba([9, 9, 9, 100]));
        let seen = remake(encoded(glass, ImageFormat::Png), Shape::Within(640));
        assert_eq!(seen.unwrap(), (Content::Png, 640, 640));
        let wall = RgbaImage::from_pixel(7, 7, Rgba([9, 9, 9, 255]));
        let seen = remake(encoded(wall, ImageFormat::Png), Shape::Within(640));
        assert_eq!(seen.unwrap(), (Content::Jpeg, 7, 7));
    }

    #[test]
    fn what_stands_beside_the_picture_is_gone_and_it_stands_upright() {
        let mut bytes = encoded(RgbImage::new(40, 20), ImageFormat::Jpeg);
        // An orientation (turned by 90 degrees) and a secret.
        let exif =
            b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0 secret";
        let length = (exif.len() as u16 + 2).to_be_bytes();
        let segment = [b"\xff\xe1", &length[..], exif].concat();
        bytes.splice(2..2, segment);
        let picture = remade(Cursor::new(bytes), Content::Jpeg, Shape::Within(640)).unwrap();
        assert!(!picture.bytes.windows(6).any(|window| window == b"secret"));
        let read = image::load_from_memory(&picture.bytes).unwrap();
        assert_eq!((read.width(), read.height()), (20, 40));
    }

    #[test]
    fn what_would_take_too_much_is_not_read() {
        // A PNG that only says how large it is.
        let mut bomb = encoded(RgbImage::new(1, 1), ImageFormat::Png);
        for (width, height) in [(30_000_u32, 30_000_u32), (40_000, 1), (u32::MAX >> 1, 1)] {
            bomb[16..20].copy_from_slice(&width.to_be_bytes());
            bomb[20..24].copy_from_slice(&height.to_be_bytes());
            let sum = crc32(&bomb[12..29]).to_be_bytes();
            bomb[29..33].copy_from_slice(&sum);
            let refused = remake(bomb.clone(), Shape::Within(640)).unwrap_err();
            assert!(matches!(refused, PictureError::TooLarge), "{refused}");
        }
        for broken in [
            b"GIF89a".to_vec(),
            b"\xff\xd8\xff\xe0".to_vec(),
            b"<svg/>".to_vec(),
        ] {
            assert!(remake(broken, Shape::Square(128)).is_err());
        }
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |sum, byte| {
            (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
                (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
            })
        })
    }
}
