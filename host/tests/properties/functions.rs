//! Functions on text, as in the conformance vocabulary: `{ fn, arg }`. `trap-if` breaks the whole call down, as a
//! panic in a plugin does, where `fail-if` gives up on one record.

/// A text or null.
pub(crate) type Text = Option<String>;
/// A record's key and value.
pub(crate) type Pair = (Text, Text);

/// Why a function gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// This record failed.
    Failed(String),
    /// The plugin broke down.
    Trapped,
}

/// A function and its argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) arg: String,
}

fn printed(text: &Text) -> &str {
    text.as_deref().unwrap_or("null")
}

fn int(text: &str) -> i64 {
    text.parse().unwrap_or(0)
}

impl Function {
    /// Fails or traps if it is to do so for this text.
    fn threat(&self, text: &Text) -> Result<(), Wrong> {
        let hit = text.as_deref().filter(|text| text.contains(&self.arg));
        match (self.name.as_str(), hit) {
            ("fail-if", Some(text)) => Err(Wrong::Failed(format!("boom: {text}"))),
            ("trap-if", Some(_)) => Err(Wrong::Trapped),
            _ => Ok(()),
        }
    }

    pub(crate) fn value(&self, key: &Text, value: Text) -> Result<Text, Wrong> {
        self.threat(&value)?;
        Ok(match self.name.as_str() {
            "upper" => value.map(|value| value.to_uppercase()),
            "append" => value.map(|value| value + &self.arg),
            "with-key" => Some(format!("{}={}", printed(key), printed(&value))),
            "null-if" => value.filter(|value| *value != self.arg),
            "default" => Some(value.unwrap_or_else(|| self.arg.clone())),
            "field" => self.field(&value),
            _ => value,
        })
    }

    fn field(&self, value: &Text) -> Text {
        value.as_deref()?.split(',').nth(self.arg.parse().ok()?).map(str::to_owned)
    }

    pub(crate) fn key(&self, key: Text, value: &Text) -> Result<Text, Wrong> {
        self.threat(value)?;
        Ok(match self.name.as_str() {
            "value-as-key" => value.clone(),
            "first-char-of-value" => value.as_deref().and_then(|value| value.chars().next()).map(String::from),
            "null" => None,
            "append" => key.map(|key| key + &self.arg),
            "field" => self.field(value),
            _ => key,
        })
    }

    pub(crate) fn says(&self, key: &Text, value: &Text) -> Result<bool, Wrong> {
        self.threat(value)?;
        Ok(match self.name.as_str() {
            "not-null" => value.is_some(),
            "value-contains" => value.as_deref().is_some_and(|value| value.contains(&self.arg)),
            "key-is" => key.as_deref() == Some(&self.arg),
            "never" => false,
            _ => true,
        })
    }

    pub(crate) fn flat(&self, (key, value): Pair) -> Vec<Pair> {
        let words = value.iter().flat_map(|value| value.split(' ')).filter(|word| !word.is_empty());
        match self.name.as_str() {
            "split-words" => words.map(|word| (key.clone(), Some(word.into()))).collect(),
            "words-as-keys" => words.map(|word| (Some(word.into()), Some("1".into()))).collect(),
            "repeat" => {
                let numbered = |n| value.as_ref().map(|value| format!("{value}#{n}"));
                (0..int(&self.arg)).map(|n| (key.clone(), numbered(n))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// A reducer: the aggregate is never null.
    pub(crate) fn reduce(&self, aggregate: &str, value: &Text, add: bool) -> Result<Text, Wrong> {
        self.threat(value)?;
        Ok(match self.name.as_str() {
            "last" => value.clone(),
            "first" => Some(aggregate.into()),
            "null-if-equal" => value.clone().filter(|value| value != aggregate),
            "sum" => {
                let by = int(printed(value));
                Some((int(aggregate) + if add { by } else { -by }).to_string())
            }
            "null-on" if value.as_deref() == Some(&self.arg) => None,
            _ => Some(format!("{aggregate}{}{}", if add { '+' } else { '-' }, printed(value))),
        })
    }

    /// An aggregator, whose initial value is the empty text.
    pub(crate) fn aggregate(&self, state: &Text, pair: &Pair, add: bool) -> Result<Text, Wrong> {
        let before = state.clone().unwrap_or_default();
        if self.name == "keyed" {
            return Ok(Some(format!("{before}{}:{};", printed(&pair.0), printed(&pair.1))));
        }
        self.reduce(&before, &pair.1, add)
    }
}
