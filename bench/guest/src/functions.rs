//! The functions of the benchmarks: called by the native loops as they are, and by the host through a component.

/// A bid of the auction benchmark, as far as it is read.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Bid<'a> {
    auction: u64,
    bidder: u64,
    price: u64,
    channel: &'a str,
    url: &'a str,
    #[serde(rename = "dateTime")]
    date_time: u64,
    extra: &'a str,
}

/// Prices from here on are kept: half of those that are generated.
pub(crate) const PRICE_MIN: u64 = 5_000_000;

/// Parses a bid, drops the cheap ones, and writes the others with the price in another currency.
///
/// # Errors
/// If the value is no bid.
pub(crate) fn convert(value: &[u8], out: &mut Vec<u8>) -> Result<bool, serde_json::Error> {
    let mut bid: Bid<'_> = serde_json::from_slice(value)?;
    if bid.price < PRICE_MIN {
        return Ok(false);
    }
    bid.price = bid.price * 89 / 100;
    serde_json::to_writer(out, &bid)?;
    Ok(true)
}

/// Whether a record is kept: by one byte, so that nothing but the border is measured.
pub(crate) fn keep(value: &[u8]) -> bool {
    value.first() != Some(&b'#')
}

/// The words of a line.
pub(crate) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}
