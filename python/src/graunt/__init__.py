"""Asks health records in SQL through Graunt, with differential privacy and verifiable receipts.

An answer carries noise, intervals that include it, what it cost, and a receipt that anyone can
check. What this package does not do: it computes no noise and checks no signature itself. The
server answers, and the program `graunt` verifies.

    import graunt

    with graunt.connect("grpc://127.0.0.1:31337", analyst="ada") as population:
        answer = population.sql("SELECT gender_concept_id, COUNT(*) AS n FROM person GROUP BY 1")
        print(answer)
"""

from graunt.answer import Answer
from graunt.connection import Column, Connection, connect
from graunt.cost import Budget, Cost
from graunt.errors import (
    Cancelled,
    Error,
    Exhausted,
    Failed,
    Rejected,
    Unauthorized,
    Untrusted,
    Unverified,
)
from graunt.estimate import Estimate, EstimatedColumn
from graunt.report import report
from graunt.verify import Verification, verify

__all__ = [
    "Answer",
    "Budget",
    "Cancelled",
    "Column",
    "Connection",
    "Cost",
    "Error",
    "Estimate",
    "EstimatedColumn",
    "Exhausted",
    "Failed",
    "Rejected",
    "Unauthorized",
    "Untrusted",
    "Unverified",
    "Verification",
    "connect",
    "report",
    "verify",
]

__version__ = "0.1.0"
