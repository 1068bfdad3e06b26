//! Bids as JSON: the ones that are high enough go on in another currency, by auction; what is no bid is set aside.

use millstream::{Failed, Json, Record, Typed};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Bid<'a> {
    auction: u64,
    bidder: &'a str,
    cents: u64,
}

#[derive(Serialize)]
struct Converted<'a> {
    bidder: &'a str,
    euro: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Bounds {
    /// The lowest price that counts.
    least_cents: u64,
}

#[derive(Deserialize)]
struct Rate {
    /// Euro for a dollar.
    euro: f64,
}

fn high(bounds: &Bounds, record: Record<'_>) -> Result<bool, Failed> {
    Ok(record.value.json::<Bid>()?.cents >= bounds.least_cents)
}

fn auction(record: Record<'_>) -> Result<String, Failed> {
    Ok(record.value.json::<Bid>()?.auction.to_string())
}

fn convert<'a>(rate: &Rate, record: Record<'a>) -> Result<Json<Converted<'a>>, Failed> {
    let Bid { bidder, cents, .. } = record.value.json()?;
    let euro = (cents as f64 * rate.euro).round() / 100.0;
    Ok(Json(Converted { bidder, euro }))
}

millstream::plugin! {
    /// Bids of at least so many cents.
    filter "high" (Bounds) = high;
    /// The auction becomes the key.
    select_key "auction" = auction;
    /// From dollars to euro.
    map_values "convert" (Rate) = convert;
}

#[cfg(test)]
mod tests {
    use super::Operators;
    use millstream::testing::{Operator, Sent};

    #[test]
    fn what_is_no_bid_fails_and_the_rest_goes_on() {
        let mut high = Operator::open::<Operators>("high", r#"{"least-cents": 100}"#).expect("it opens");
        let bids = [r#"{"auction":1,"bidder":"a","cents":99}"#, "{", r#"{"auction":1,"bidder":"b","cents":100}"#];
        let answer = high.process(&bids.map(|bid| Sent::new("", bid, 0)));
        assert_eq!(answer.values(), [bids[2]]);
        assert_eq!(answer.failures[0].0, 1);
    }
}
