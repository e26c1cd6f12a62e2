from tests.journey.conftest import MakeStep

from shop_r1.journey.circles import Circle, find_circles


def test_three_arrivals_in_a_row_at_known_pages_make_a_circle(step: MakeStep) -> None:
    there_and_back = [step("/"), step("/cart"), step("/"), step("/cart"), step("/")]
    # Arrivals: cart is new; home, cart and home again are known.
    assert find_circles(there_and_back[:4]) == []
    assert find_circles(there_and_back) == [Circle(4, "pages")]
    # Counting begins anew: three more arrivals make the next one.
    assert [each.step for each in find_circles([*there_and_back, *there_and_back[1:4]])] == [4, 7]


def test_one_product_of_a_list_after_another_is_no_circle(step: MakeStep) -> None:
    products = [step(f"/product/{number}") for number in range(6)]
    visited = [page for product in products for page in (step("/search?q=mug"), product)]
    assert find_circles(visited) == []


def test_a_page_with_other_elements_is_new_although_its_address_is_known(step: MakeStep) -> None:
    pages = [step("/list", html=f'<page>\n<a name="results.mug_{number}">Mug</a>') for number in range(5)]
    assert find_circles(pages) == []
    same = [step("/list#top"), step("/cart"), step("/list#end"), step("/cart"), step("/list")]
    assert find_circles(same) == [Circle(4, "pages")]


def test_what_is_clicked_in_vain_arrives_nowhere(step: MakeStep) -> None:
    assert find_circles([step("/cart")] * 6) == []
    assert find_circles([step("/cart", error="it has gone"), *[step("/cart")] * 5]) == []


def test_the_same_query_for_the_third_time_is_a_circle(step: MakeStep) -> None:
    visited = [
        step("/", "search:Red  mug"),
        step("/search?q=1", "search:blue mug"),
        step("/search?q=2", "search:red mug"),
        step("/search?q=3", "search:RED MUG"),
        step("/search?q=4", "leave"),
    ]
    assert find_circles(visited) == [Circle(3, "query", "red mug")]
    failed = [step("/", "search:red mug", error="covered")] * 4
    assert find_circles(failed) == []


def test_a_query_that_shows_the_same_page_arrives_at_it(step: MakeStep) -> None:
    sent = [step("/", "search:zzz"), *(step("/search?q=zzz", f"search:z{number}") for number in range(4))]
    assert find_circles(sent) == [Circle(4, "pages")]
