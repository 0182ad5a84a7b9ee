//! Test macros for codecs.

/// Makes one test per `(bytes, value)` pair that uses it both ways: parsing the bytes gives the
/// value, and emitting the value gives the bytes.
///
/// `$parse` is `fn(&[u8]) -> Result<T, _>` and `$emit` is `fn(&T) -> Vec<u8>`.
///
/// ```
/// # #[derive(Debug, PartialEq)] struct Id(u8);
/// # fn parse(b: &[u8]) -> Result<Id, ()> { b.first().map(|b| Id(*b)).ok_or(()) }
/// # fn emit(id: &Id) -> Vec<u8> { vec![id.0] }
/// wire::codec_pairs! { parse, emit,
///     smallest_id: [0x00] => Id(0),
///     largest_id: [0xff] => Id(0xff),
/// }
/// ```
#[macro_export]
macro_rules! codec_pairs {
    ($parse:expr, $emit:expr, $($name:ident: $bytes:expr => $value:expr,)+) => {
        $(
            #[test]
            fn $name() {
                let bytes: &[u8] = &$bytes;
                let value = $value;
                assert_eq!($parse(bytes).as_ref(), Ok(&value), "parsing");
                assert_eq!($emit(&value), bytes, "emitting");
            }
        )+
    };
}
