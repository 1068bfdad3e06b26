"""The requests that the verifier makes, each in one version that brokers from 2.8 to 4.3 and beyond have."""

from wire import BOOL, BYTES, INT8, INT16, INT32, INT64, STRING, Api, Array, Struct


def topics(**partition):
    """Topics by name, each with partitions."""
    return Array(Struct(name=STRING, partitions=Array(Struct(**partition))))


NUMBERS = Array(Struct(name=STRING, partitions=Array(INT32)))

API_VERSIONS = Api(
    "ApiVersions",
    18,
    0,
    Struct(),
    Struct(error=INT16, apis=Array(Struct(key=INT16, lowest=INT16, highest=INT16))),
)
METADATA = Api(
    "Metadata",
    3,
    7,
    Struct(topics=Array(STRING), make=BOOL),
    Struct(
        throttle=INT32,
        brokers=Array(Struct(node=INT32, host=STRING, port=INT32, rack=STRING)),
        cluster=STRING,
        controller=INT32,
        topics=Array(
            Struct(
                error=INT16,
                name=STRING,
                internal=BOOL,
                partitions=Array(
                    Struct(
                        error=INT16,
                        partition=INT32,
                        leader=INT32,
                        leader_epoch=INT32,
                        replicas=Array(INT32),
                        in_sync=Array(INT32),
                        offline=Array(INT32),
                    )
                ),
            )
        ),
    ),
)
LIST_OFFSETS = Api(
    "ListOffsets",
    2,
    2,
    Struct(replica=INT32, isolation=INT8, topics=topics(partition=INT32, timestamp=INT64)),
    Struct(throttle=INT32, topics=topics(partition=INT32, error=INT16, timestamp=INT64, offset=INT64)),
)
FETCH = Api(
    "Fetch",
    1,
    11,
    Struct(
        replica=INT32,
        wait=INT32,
        bytes_min=INT32,
        bytes_max=INT32,
        isolation=INT8,
        session=INT32,
        session_epoch=INT32,
        topics=topics(partition=INT32, leader_epoch=INT32, offset=INT64, log_start=INT64, bytes_max=INT32),
        forgotten=NUMBERS,
        rack=STRING,
    ),
    Struct(
        throttle=INT32,
        error=INT16,
        session=INT32,
        topics=topics(
            partition=INT32,
            error=INT16,
            high_watermark=INT64,
            last_stable=INT64,
            log_start=INT64,
            aborted=Array(Struct(producer=INT64, first=INT64)),
            preferred=INT32,
            records=BYTES,
        ),
    ),
)
PRODUCE = Api(
    "Produce",
    0,
    7,
    Struct(transactional=STRING, acks=INT16, timeout=INT32, topics=topics(partition=INT32, records=BYTES)),
    Struct(
        topics=topics(partition=INT32, error=INT16, base=INT64, append_time=INT64, log_start=INT64),
        throttle=INT32,
    ),
)
FIND_COORDINATOR = Api(
    "FindCoordinator",
    10,
    2,
    Struct(key=STRING, kind=INT8),
    Struct(throttle=INT32, error=INT16, message=STRING, node=INT32, host=STRING, port=INT32),
)
OFFSET_FETCH = Api(
    "OffsetFetch",
    9,
    7,
    Struct(group=STRING, topics=NUMBERS, stable=BOOL),
    Struct(
        throttle=INT32,
        topics=topics(partition=INT32, offset=INT64, leader_epoch=INT32, metadata=STRING, error=INT16),
        error=INT16,
    ),
    flexible=True,
)
DESCRIBE_GROUPS = Api(
    "DescribeGroups",
    15,
    4,
    Struct(groups=Array(STRING), operations=BOOL),
    Struct(
        throttle=INT32,
        groups=Array(
            Struct(
                error=INT16,
                group=STRING,
                state=STRING,
                kind=STRING,
                protocol=STRING,
                members=Array(
                    Struct(
                        member=STRING, instance=STRING, client=STRING, host=STRING, metadata=BYTES, assignment=BYTES
                    )
                ),
                operations=INT32,
            )
        ),
    ),
)
DESCRIBE_PRODUCERS = Api(
    "DescribeProducers",
    61,
    0,
    Struct(topics=NUMBERS),
    Struct(
        throttle=INT32,
        topics=topics(
            partition=INT32,
            error=INT16,
            message=STRING,
            producers=Array(
                Struct(
                    producer=INT64,
                    epoch=INT32,
                    last_sequence=INT32,
                    last_timestamp=INT64,
                    coordinator_epoch=INT32,
                    transaction_start=INT64,
                )
            ),
        ),
    ),
    flexible=True,
)
DESCRIBE_TRANSACTIONS = Api(
    "DescribeTransactions",
    65,
    0,
    Struct(ids=Array(STRING)),
    Struct(
        throttle=INT32,
        transactions=Array(
            Struct(
                error=INT16,
                id=STRING,
                state=STRING,
                timeout=INT32,
                start=INT64,
                producer=INT64,
                epoch=INT16,
                topics=NUMBERS,
            )
        ),
    ),
    flexible=True,
)
LIST_TRANSACTIONS = Api(
    "ListTransactions",
    66,
    0,
    Struct(states=Array(STRING), producers=Array(INT64)),
    Struct(
        throttle=INT32,
        error=INT16,
        unknown=Array(STRING),
        transactions=Array(Struct(id=STRING, producer=INT64, state=STRING)),
    ),
    flexible=True,
)
CREATE_TOPICS = Api(
    "CreateTopics",
    19,
    4,
    Struct(
        topics=Array(
            Struct(
                name=STRING,
                partitions=INT32,
                replicas=INT16,
                assignments=Array(Struct(partition=INT32, brokers=Array(INT32))),
                configs=Array(Struct(name=STRING, value=STRING)),
            )
        ),
        timeout=INT32,
        validate=BOOL,
    ),
    Struct(throttle=INT32, topics=Array(Struct(name=STRING, error=INT16, message=STRING))),
)
DELETE_TOPICS = Api(
    "DeleteTopics",
    20,
    3,
    Struct(names=Array(STRING), timeout=INT32),
    Struct(throttle=INT32, topics=Array(Struct(name=STRING, error=INT16))),
)
INIT_PRODUCER_ID = Api(
    "InitProducerId",
    22,
    1,
    Struct(id=STRING, timeout=INT32),
    Struct(throttle=INT32, error=INT16, producer=INT64, epoch=INT16),
)
ADD_PARTITIONS = Api(
    "AddPartitionsToTxn",
    24,
    1,
    Struct(id=STRING, producer=INT64, epoch=INT16, topics=NUMBERS),
    Struct(throttle=INT32, topics=topics(partition=INT32, error=INT16)),
)
ADD_OFFSETS = Api(
    "AddOffsetsToTxn",
    25,
    1,
    Struct(id=STRING, producer=INT64, epoch=INT16, group=STRING),
    Struct(throttle=INT32, error=INT16),
)
COMMIT_OFFSETS = Api(
    "TxnOffsetCommit",
    28,
    2,
    Struct(
        id=STRING,
        group=STRING,
        producer=INT64,
        epoch=INT16,
        topics=topics(partition=INT32, offset=INT64, leader_epoch=INT32, metadata=STRING),
    ),
    Struct(throttle=INT32, topics=topics(partition=INT32, error=INT16)),
)
END_TRANSACTION = Api(
    "EndTxn",
    26,
    1,
    Struct(id=STRING, producer=INT64, epoch=INT16, commit=BOOL),
    Struct(throttle=INT32, error=INT16),
)

USED = [api for api in list(globals().values()) if isinstance(api, Api)]
