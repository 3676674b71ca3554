"""A page that is merged of many lists."""

from sqlalchemy import literal, select

from adapters.sql import open_engine
from adapters.sql.queries.union_pages import union_of_pages


def test_more_lists_than_one_statement_may_unite_are_union_of_pages_in_their_order(database_url: str):
    arms = [select(literal(number).label("position")).limit(1) for number in range(1_200, 0, -1)]
    engine = open_engine(database_url)

    with engine.connect() as connection:
        page = connection.execute(union_of_pages(arms, "position", limit=3)).scalars().all()

    engine.dispose()
    assert page == [1, 2, 3]
