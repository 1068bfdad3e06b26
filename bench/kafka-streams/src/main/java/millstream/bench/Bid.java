package millstream.bench;

import com.fasterxml.jackson.annotation.JsonPropertyOrder;

/** A bid of the auction benchmark, its fields in the order in which every contender writes them. */
@JsonPropertyOrder({"auction", "bidder", "price", "channel", "url", "dateTime", "extra"})
public final class Bid {
  /** Converted prices from here on are kept: half of those that are generated. */
  static final long PRICE_MIN = 4_450_000;

  public long auction;
  public long bidder;
  public long price;
  public String channel;
  public String url;
  public long dateTime;
  public String extra;

  /** The price in another currency. */
  Bid converted() {
    price = price * 89 / 100;
    return this;
  }

  boolean isDear() {
    return price >= PRICE_MIN;
  }
}
