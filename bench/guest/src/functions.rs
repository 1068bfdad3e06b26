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

/// Converted prices from here on are kept: half of those that are generated.
pub(crate) const PRICE_MIN: u64 = 4_450_000;

/// Parses a bid; none if it is cheap, else with the price in another currency.
///
/// # Errors
/// If the value is no bid.
pub(crate) fn convert(value: &[u8]) -> Result<Option<Bid<'_>>, serde_json::Error> {
    let mut bid: Bid<'_> = serde_json::from_slice(value)?;
    bid.price = bid.price * 89 / 100;
    Ok((bid.price >= PRICE_MIN).then_some(bid))
}

/// Whether a record is kept: by one byte, so that nothing but the border is measured.
pub(crate) fn keep(value: &[u8]) -> bool {
    value.first() != Some(&b'#')
}

/// The words of a line.
pub(crate) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}
